"""How well images of no known class are told from others, by the score of Darkroom and by those of others.

A linear head on MobileNetV2, frozen, learns from the features of the audit (96 px): all classes but one, each
left out in turn, whose test images should then stand out; and all classes, from which pictures of other kinds
should. All methods see the same features and logits. No method is chosen, and no number of any set, by what
stands here.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from tasks.audit import fetch_base
from tasks.audit.features import SIDE_PX
from tasks.audit.out_of_fold import fit
from tasks.dataset import resize_all
from tasks.errors import JobError
from tasks.networks import OnnxClassifier, read_model_file
from tests.bench.fitting import cut
from tests.bench.measure import Measured
from tests.bench.simulated import World, embed
from tests.bench.strangers import strangers
from tests.bench.unlikeness import METHODS, OURS, Known

FALSE_ALARMS = 0.01  # of the test images of known classes

Result = Mapping[str, tuple[float, float]]  # of each method: AUROC, and the share caught; in percent


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    weights = os.environ.get("WEIGHTS") or "imagenet"
    try:
        world = embed(cut(images, scratch / "unlike", (1, 1)), scratch / "unlike-store", weights)
    except JobError as error:
        Console(stderr=True).print(f"What tells images of no known class is not measured: {error}")
        return
    labels, test = world.column("label"), world.split("test")
    known = learn(world, np.ones(len(labels), bool))
    kinds = {
        kind: judge(known, world.features[test], features)
        for kind, features in features_of_strangers(world, weights).items()
    }
    classes = {}
    for name in world.dataset.classes:
        others = labels != name
        of_known, of_unknown = (world.features[test & chosen] for chosen in (others, ~others))
        classes[f"{name} left out"] = judge(learn(world, others), of_known, of_unknown)
    Console(stderr=True, width=160).print(in_detail(classes | kinds))
    for what, results in (("a class left out", classes), ("other kinds", kinds)):
        means = {
            method: np.mean([result[method] for result in results.values()], axis=0) for method in METHODS
        }
        for place, quantity in enumerate(("AUROC", f"caught at {FALSE_ALARMS:.0%} false alarms")):
            for method, mean in means.items():
                yield Measured(f"{what}, {method}: {quantity}", mean[place], OURS, means[OURS][place], "%")


def features_of_strangers(world: World, weights: str) -> dict[str, np.ndarray]:
    size_px = world.dataset.size_px
    base = fetch_base.fn(world.dataset.url, size_px, weights, needed=False)
    network = OnnxClassifier(read_model_file(base.url))
    return {
        kind: np.float32(network.predict(resize_all(pictures, SIDE_PX)))
        for kind, pictures in strangers(size_px).items()
    }


def learn(world: World, chosen: np.ndarray) -> Known:
    """What is known of the chosen images, bool [images], and a head that has learned their classes."""
    train, val = (world.features[chosen & world.split(split)] for split in ("train", "val"))
    names = world.column("label")[chosen & world.split("train")]
    scaler, regression = (step for _, step in fit(train, names).steps)
    rows, intercepts = regression.coef_, regression.intercept_
    if len(rows) == 1:  # of two classes it has but one
        rows, intercepts = np.stack([-rows[0], rows[0]]) / 2, np.append(-intercepts, intercepts) / 2
    weights = (rows / scaler.scale_).T
    bias = intercepts - scaler.mean_ @ weights
    labels = np.unique(names, return_inverse=True)[1]
    return Known(train, labels, val, np.float32(weights), np.float32(bias))


def judge(known: Known, of_known: np.ndarray, of_unknown: np.ndarray) -> Result:
    """How well each method tells features of unknown images from those of test images of known classes."""
    truth = np.repeat([1, 0], [len(of_known), len(of_unknown)])
    results = {}
    for name, method in METHODS.items():
        score = method(known)
        high, low = score(of_known), score(of_unknown)
        caught = np.mean(low < np.quantile(high, FALSE_ALARMS))
        results[name] = 100 * roc_auc_score(truth, np.concatenate([high, low])), 100 * float(caught)
    return results


def in_detail(results: Mapping[str, Result]) -> Table:
    table = Table("AUROC / caught, %", *METHODS, box=None)
    for what, result in results.items():
        table.add_row(what, *(f"{auroc:.1f} / {caught:.0f}" for auroc, caught in result.values()))
    return table
