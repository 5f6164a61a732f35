"""Macro recall with classes RATIO times rarer than others, by each way to balance a frozen MobileNetV2."""

import os
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tasks.dataset import Dataset, commit_dataset, decode_part, list_images, plan_parts
from tasks.networks import architectures
from tasks.parameters import Balance, Training
from tasks.training import frozen, loop
from tasks.training.balance import class_weights
from tasks.training.batches import CachedExamples, CachedRows
from tasks.training.loop import FitPlan, FitState, Fitting
from tests.bench.measure import Measured

RATIO = 50  # of the largest class to the smallest, those between them evenly on a logarithmic scale
DRAWS = 6  # each makes other classes rare
VIEWS = 2  # of each training image: half of the default, for the features take most of the time
WAYS: tuple[Balance, ...] = ("none", "loss", "sample")

Features = dict[str, tuple[np.ndarray, np.ndarray]]


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    defaults = Training(weights=os.environ.get("WEIGHTS") or "imagenet")
    manifest = list_images.fn(str(images), str(scratch / "store"), defaults.image_size, defaults.val_share)
    dataset = commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 1.0)
    features = compute_features(dataset, defaults, scratch)
    recalls = {way: np.zeros((DRAWS, 2, len(dataset.classes))) for way in WAYS}
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(len(dataset.classes))
        cut = {name: rare_rows(features[name][1], order, draw) for name in ("train", "val")}
        for way in WAYS:
            training = defaults.model_copy(update={"balance": way, "seed": draw})
            recalls[way][draw] = train(features, cut, training)[:, order]
    for way in WAYS:
        for what, share in facts(recalls[way]).items():
            yield Measured(f"{what}, {way}", share, "balance none", facts(recalls["none"])[what], "%")


def facts(recalls: np.ndarray) -> dict[str, float]:
    """In percent. recalls: float [draws, (validation, test), classes], the rarest class last."""
    val, test = recalls.mean(0)
    return {
        "macro recall on validation": 100 * val.mean(),
        "macro recall on test": 100 * test.mean(),
        "recall of the rarest class on test": 100 * test[-1],
        "accuracy on test were classes as rare": 100 * np.average(test, weights=shares(len(test))),
    }


def shares(classes: int) -> np.ndarray:
    """Images of each class over those of the largest, float [classes]."""
    return np.geomspace(1, 1 / RATIO, classes)


def compute_features(dataset: Dataset, training: Training, scratch: Path) -> Features:
    """Of each split what the head sees, float16 [views, images, features], and the labels."""
    parameters, features = training.mobilenet_v2, {}
    whole = architectures.build_mobilenet_v2(
        len(dataset.classes), dataset.size_px, parameters.dropout, training.weights
    )
    base = architectures.frozen_part(whole, activations=False)
    for name, views in (("train", VIEWS), ("val", 1), ("test", 1)):
        split, url = dataset.split(name), str(scratch / f"{name}.npy")
        frozen._compute(base, split, np.arange(len(split)), views, parameters.augmentation, 0, [url])
        features[name] = np.load(url), split.labels
    return features


def rare_rows(labels: np.ndarray, order: np.ndarray, seed: int) -> np.ndarray:
    """Rows of which the first class of `order` has most and the last one RATIO-th, at least one."""
    rows = np.random.default_rng(seed).permutation(len(labels))
    counts = np.bincount(labels).min() * shares(len(order))
    kept = [
        rows[labels[rows] == label][: max(round(count), 1)]
        for label, count in zip(order, counts, strict=True)
    ]
    return np.sort(np.concatenate(kept))


def train(features: Features, cut: dict[str, np.ndarray], training: Training) -> np.ndarray:
    """The recall of each class on the whole of validation and of test, float [2, classes].

    Only the cut of validation stops the training.
    """
    train, val = (
        CachedExamples(
            CachedRows([features[name][0][:, rows]], np.array([0, len(rows)])), features[name][1][rows], 0
        )
        for name, rows in cut.items()
    )
    parameters, width = training.mobilenet_v2, features["test"][0].shape[-1]
    classes = len(np.unique(features["test"][1]))
    weights = class_weights(train.labels, training.balance)
    plan = FitPlan(
        "adam", training.epochs, training.batch_size, parameters.learning_rate, training, 0, 1, 0.0, weights
    )

    def build() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        head = architectures.build_head(classes, width, parameters.dropout)
        return architectures.submodel_up_to(head, "logits")

    fitting = Fitting(build, tf.distribute.get_strategy(), plan, len(train.labels))
    state = loop.fit(fitting, train, val, FitState(), lambda _: None)
    fitting.model.set_weights(state.best)
    return np.stack([recall(fitting.model, *features[name], classes) for name in ("val", "test")])


def recall(model: keras.Model, inputs: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    predicted = model.predict(inputs[0], verbose=0).argmax(1)
    return np.array([np.mean(predicted[labels == label] == label) for label in range(classes)])
