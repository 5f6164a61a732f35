"""Records for pages, made by the functions that make the real ones; all names in them are awkward."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks import storage
from tasks.audit import read_audit
from tasks.audit.findings import audit_rows
from tasks.audit.wrong_labels import LabelCheck, Suspect
from tasks.classification.job import Job, Plan
from tasks.classification.rows import to_table
from tasks.classification.summary import summarise
from tasks.classification.tally import Tally
from tasks.dataset import Dataset
from tasks.evaluation import Evaluation, drift
from tasks.evaluation.groups import spans_of_time, worst_groups
from tasks.evaluation.metrics import compare, compute_metrics, describe_learning, list_cells, list_mistakes
from tasks.evaluation.records import read_evaluation
from tasks.evaluation.slices import slices
from tasks.networks import ModelVersion
from tasks.parameters import Classification, Gate, Training
from tasks.publishing.retraining import Retraining, retrain_summary
from tasks.registry import Verdict
from tasks.registry.gate import compare_with_champion
from tasks.registry.rules import accuracy_rule, classes_rule, comparison_rules, leakage_rule, recall_rule
from tasks.registry.since import data_changes
from tasks.registry.versions import version_record
from tasks.storage import Run
from tasks.training import TrainedModel
from tests.tasks.evaluation.draws import predictions
from tests.tasks.pages.browser import EVIL

AWKWARD = """&<>"'"""
CLASSES = (AWKWARD, EVIL, "sea")
BAD_FILES = 60
TEST_IMAGES = 400
DARK = f"dark/{EVIL}"
SUSPECT = Suspect(EVIL, "train", EVIL, "sea", 0.01, 0.97)


def dataset(store: str) -> Dataset:
    return Dataset(
        url=storage.dataset_url(store, "9f3c"),
        fingerprint="9f3c",
        images_url=f"/data/{EVIL}",
        classes=CLASSES,
        size_px=150,
        counts={"train": 80, "val": 10, "test": TEST_IMAGES},
        unlabelled=1,
        bad=BAD_FILES,
        decoded=90,
        reused=0,
    )


def index_row(number: int, label: str, **other: Any) -> dict[str, Any]:
    """A row of a dataset's index for a usable training image like all others."""
    row = {
        "path": f"{number}/{label}",
        "status": "ok",
        "reason": "",
        "width": 150,
        "height": 150,
        "brightness": 0.5 + 0.001 * (number % 7),
        "sharpness": 500.0 + number % 5,
        "colourfulness": 40.0 + number % 3,
        "sha256": f"bytes {number}",
        "pixels_sha256": f"pixels {number}",
        "group": number,
        "leak": None,
        "label": label,
        "split": "train",
    }
    return row | other


def index_rows() -> list[dict[str, Any]]:
    """30 images, one of them dark, two of them copies with labels in conflict, and BAD_FILES bad files."""
    twins = {"pixels_sha256": "twins", "group": 100}
    bad = {"status": "corrupt", "reason": EVIL, "group": None}
    return [
        *(index_row(number, CLASSES[number % len(CLASSES)]) for number in range(24)),
        *(index_row(number, CLASSES[number % len(CLASSES)], split="test") for number in range(24, 27)),
        index_row(27, EVIL, path=DARK, brightness=0.02),
        index_row(100, EVIL, path=EVIL, split="leaked", leak="exact", **twins),
        index_row(101, "sea", path="b.jpg", split="test", **twins),
        *(index_row(200 + number, EVIL, path=f"{number}/{EVIL}", **bad) for number in range(BAD_FILES)),
    ]


def audit(store: str, rows: Sequence[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The audit of a dataset with these rows in its index, by default `index_rows`."""
    run, made_from = Run("audited", store), dataset(store)
    findings = audit_rows(index_rows() if rows is None else rows, CLASSES, made_from.unlabelled)
    storage.write_record(storage.audit_url(made_from.url), findings)
    storage.write_json(run.labels_url, LabelCheck(checked=10, suspected=1, suspects=(SUSPECT,)).record())
    return read_audit(made_from, run)


def metrics(kind: str = "cnn", every_class_tested: bool = True) -> dict[str, Any]:
    """metrics.json of predictions that are right where the picture is bright, and drawn by chance elsewhere.

    every_class_tested: if not, the last class has no test images.
    """
    labels, probabilities = predictions(TEST_IMAGES, classes=len(CLASSES))
    if not every_class_tested:
        labels = labels % (len(CLASSES) - 1)
    brightness = np.linspace(0, 1, TEST_IMAGES)
    bright = np.flatnonzero(brightness > 0.25)
    probabilities[bright] = (0.02 + 0.94 * np.eye(len(CLASSES)))[labels[bright]]
    history = [
        {
            "epoch": epoch,
            "phase": 0,
            "loss": 1 / epoch,
            "accuracy": 0.5,
            "val_loss": loss,
            "val_accuracy": 0.4,
        }
        for epoch, loss in enumerate((1.0, 0.5, 0.7), start=1)
    ]
    paths = [EVIL, *(f"{number}/{EVIL}" for number in range(1, TEST_IMAGES))]
    right = probabilities.argmax(1) == labels
    return {
        **compute_metrics(CLASSES, labels, probabilities, labels, probabilities),
        "model": kind,
        "learning": describe_learning(history, best_epoch=2),
        "slices": slices({"brightness": brightness}, labels, right, CLASSES),
        "groups": worst_groups([EVIL, "site 1", None, AWKWARD] * (len(right) // 4), right),
        "over_time": spans_of_time(
            ["2026-01-01", "2026-01-02", None, "2026-01-03"] * (len(right) // 4), right
        ),
        "mistakes": list_mistakes(paths, labels, probabilities, CLASSES),
        "cells": list_cells(paths, labels, probabilities, CLASSES),
        "int8": {"kept": False, "reason": f"it may cost {EVIL}"},
    }


def trained_model(kind: str = "cnn") -> TrainedModel:
    return TrainedModel(kind, f"v2-{kind}", 10637126, 3, 2, 500.1, 285.0, "float32")


def evaluation(store: str, run: Run, kind: str, of_model: dict[str, Any]) -> Evaluation:
    storage.write_json(storage.metrics_url(run.kind_url(kind)), of_model)
    return read_evaluation(trained_model(kind), run.kind_url(kind))


def verdict(of_model: dict[str, Any], kind: str = "cnn", images_seen: int = 12) -> Verdict:
    """A challenger of 400 test images, of which the champion knew `images_seen`, that is promoted for once.

    One of its classes is below what the gate asks, and it is better than chance.
    """
    labels = np.arange(TEST_IMAGES) % 2
    champion, challenger = labels.copy(), labels.copy()
    champion[50:110] = 2
    challenger[300:320:2] = 2
    unseen = np.arange(TEST_IMAGES) >= images_seen
    comparison = compare_with_champion(champion, challenger, labels, unseen, CLASSES)
    recall = recall_rule([of_model["per_class"][1] | {"recall": 0.75}], 0.8)
    rules = (
        accuracy_rule(of_model["test"]["accuracy"], Gate().min_accuracy),
        recall,
        leakage_rule(0),
        classes_rule(EVIL, CLASSES, CLASSES, ""),
        *comparison_rules(comparison, Gate().max_p_value),
    )
    return Verdict(f"v2-{kind}", kind, True, f"Better on {EVIL}.", f"v1-{EVIL}", comparison, rules)


def changes(store: str) -> dict[str, Any]:
    """Since the dataset "then": 14 images of one class are new, two are gone, one has another label."""
    then = [index_row(number, CLASSES[number % 2]) for number in range(20)]
    now = [*then[2:], *(index_row(number, EVIL) for number in range(50, 64))]
    now[0] = now[0] | {"label": EVIL}
    for fingerprint, rows in (("then", then), (dataset(store).fingerprint, now)):
        url = storage.index_url(storage.dataset_url(store, fingerprint))
        storage.write_table(url, pa.Table.from_pylist(rows))
    return data_changes(dataset(store), "then")


def retraining(
    store: str, of_models: dict[str, dict[str, Any]], **other: Any
) -> tuple[Retraining, dict[str, Any] | None]:
    """A retraining of the models with these metrics, and how the first two of them compare."""
    run = Run("2026-11-22T10-30-05", store)
    first = next(iter(of_models))
    record = Retraining(
        run=run,
        dataset=dataset(store),
        training=Training(models=tuple(of_models), weights=EVIL),
        models=[trained_model(kind) for kind in of_models],
        evaluations=[evaluation(store, run, kind, of_model) for kind, of_model in of_models.items()],
        verdict=verdict(of_models[first], first),
        started="2026-11-22T10:30:05+00:00",
        stage_seconds={"decode": 3.4, "train": 808.9},
        failures={},
    )
    right = np.arange(TEST_IMAGES) < 300
    comparison = {"models": list(of_models)[:2]} | compare(right, ~right)
    return replace(record, **other), comparison if len(of_models) > 1 else None


def summary(store: str, of_models: dict[str, dict[str, Any]], **other: Any) -> dict[str, Any]:
    """summary.json of a retraining of the models with these metrics."""
    record, comparison = retraining(store, of_models, **other)
    return retrain_summary(record, audit(store), comparison, changes(store))


def model_record(store: str, of_model: dict[str, Any], leaking: int = 0) -> dict[str, Any]:
    """model.json of a model of the kind that its metrics are of."""
    run, kind = Run("2026-11-22T10-30-05", store), of_model["model"]
    model, folder_url = trained_model(kind), run.version_url(kind)
    judgement = evaluation(store, run, kind, of_model)
    counts = {"counts": {"leaked": 2, "leaking": leaking}}
    training = Training(weights=EVIL).model_dump(mode="json")
    storage.write_record(storage.audit_url(dataset(store).url), counts)
    storage.write_record(run.record_url, {"dataset": "9f3c", "training": training})
    storage.write_json(storage.reference_url(run.kind_url(kind)), {})
    storage.write_bytes(storage.model_url(folder_url), b"model")
    return version_record(model, judgement, dataset(store), run, of_model)


def classification(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    test_images: int = 0,
    yardstick: bool = True,
    options: Classification = Classification(),
    sure_from: tuple[float, ...] = (0.0, 0.0, 0.0),
) -> tuple[dict, Tally]:
    """summary.json of a bulk classification with these rows, and their tally.

    test_images: how many of the model's test images, all dark and of one class, the rows are compared with.
    yardstick: whether the model's version is new enough to have one.
    """
    job = Job(
        images_url=f"/data/{EVIL}",
        output=f"/output/{EVIL}",
        model=ModelVersion(f"v1-{EVIL}", "cnn", str(folder), "", CLASSES, 150, 1.0),
        options=options,
        plan=Plan("", "", 1, len(rows), 1, ""),
        sure_from=sure_from,
    )
    dark = {name: np.full(test_images, 0.01) for name in drift.EDGES}
    reference = drift.snapshot(dict.fromkeys(CLASSES, 0) | {"sea": test_images}, drift.histograms(dark))
    of_test = {
        "confusion": (np.eye(len(CLASSES), dtype=int) * 80 + 10).tolist(),
        "gap": -0.01,
        "gap_variance": 1e-4,
    }
    record = {"reference": reference} | ({"yardstick": of_test} if yardstick else {})
    tally = Tally()
    tally.add(to_table(rows, "parquet"))
    return summarise(job, record, tally, tally, classified=len(rows), seconds=2.0), tally


def prediction(path: str, label: str | None, confidence: float | None, **other: Any) -> dict[str, Any]:
    """A row of a bulk classification."""
    looks = {"brightness": 0.5, "sharpness": 500.0, "engine": "onnx"}
    row = {"path": path, "status": "ok", "error": None, "label": label, "confidence": confidence}
    return row | looks | other
