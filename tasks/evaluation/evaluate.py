"""Evaluates a trained model on the untouched test split, once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks import storage
from tasks.dataset import Dataset, Split
from tasks.evaluation import drift
from tasks.evaluation.calibration import scale_temperature
from tasks.evaluation.groups import spans_of_time, worst_groups
from tasks.evaluation.likeness import measure_likeness, rows_to_learn
from tasks.evaluation.metrics import (
    compute_metrics,
    confident_mistakes,
    describe_learning,
    list_cells,
    list_mistakes,
)
from tasks.evaluation.records import Evaluation, read_evaluation, write_arrays
from tasks.evaluation.slices import slices
from tasks.networks import look_at_splits
from tasks.storage import Run
from tasks.task_runs import task
from tasks.training import TrainedModel, read_history

EXPLAINED_MISTAKES = 5  # the most confident ones


@task(retries=1, task_run_name="evaluate {model.kind}")
def evaluate_model(model: TrainedModel, dataset: Dataset, run: Run) -> Evaluation:
    """Evaluate a trained model on the test split, calibrated on validation; what is there is not redone."""
    from tasks.evaluation.int8 import measure_int8
    from tasks.networks.convert import export_onnx, sample
    from tasks.networks.keras_engine import use_granted_resources

    folder_url, version_url = run.kind_url(model.kind), run.version_url(model.kind)
    if not all(map(storage.exists, (storage.reference_url(folder_url), storage.metrics_url(folder_url)))):
        val, test, train = (dataset.split(name) for name in ("val", "test", "train"))
        rows = rows_to_learn(train)
        use_granted_resources()
        export_onnx(version_url, sample(test))
        of_splits = [(val, np.arange(len(val))), (test, np.arange(len(test))), (train, rows)]
        looks, head = look_at_splits(version_url, of_splits)
        (val_probabilities, val_features), (probabilities, test_features), (_, features) = looks
        history = read_history(storage.history_url(folder_url))
        metrics = compute_metrics(dataset.classes, val.labels, val_probabilities, test.labels, probabilities)
        metrics |= {"model": model.kind, "learning": describe_learning(history, model.best_epoch)}
        right = probabilities.argmax(1) == test.labels
        metrics["slices"] = slices(test.looks, test.labels, right, dataset.classes)
        metrics["groups"] = worst_groups(test.scenes, right)
        metrics["over_time"] = spans_of_time(test.times, right)
        calibrated = scale_temperature(probabilities, metrics["temperature"])
        metrics["mistakes"] = list_mistakes(test.paths, test.labels, calibrated, dataset.classes)
        metrics["cells"] = list_cells(test.paths, test.labels, calibrated, dataset.classes)
        write_arrays(storage.predictions_url(folder_url), labels=test.labels, probabilities=probabilities)
        evidence_url = storage.evidence_url(folder_url)
        explain_mistakes(storage.model_url(version_url), test, calibrated, evidence_url)
        reference = drift_reference(test, calibrated, dataset.classes)
        storage.write_json(storage.reference_url(folder_url), reference)
        metrics["likeness"] = measure_likeness(
            features, train.labels[rows], val_features, test_features, head, version_url
        )
        metrics["int8"] = measure_int8(dataset, version_url, val_probabilities, metrics["temperature"])
        storage.write_json(storage.metrics_url(folder_url), metrics)
    return read_evaluation(model, folder_url)


def explain_mistakes(model_url: str, test: Split, probabilities: np.ndarray, url: str) -> None:
    """Write Grad-CAM maps of the EXPLAINED_MISTAKES most confident mistakes, if there are any, to `url`.

    The array `evidence` is float16 [n, 2, height, width]: the map for the predicted class, then that for the
    true one.
    """
    from tasks.networks.gradcam import evidence

    rows = confident_mistakes(test.labels, probabilities)[:EXPLAINED_MISTAKES]
    if len(rows):
        predicted_and_true = np.stack([probabilities[rows].argmax(1), test.labels[rows]], axis=1)
        write_arrays(url, evidence=evidence(model_url, test.take(rows), predicted_and_true))


def drift_reference(test: Split, probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """The snapshot that bulk predictions are compared with later: labels and looks of the test images."""
    label_counts = np.bincount(probabilities.argmax(1), minlength=len(classes)).tolist()
    looks = drift.histograms({"confidence": probabilities.max(1), **test.looks})
    return drift.snapshot(dict(zip(classes, label_counts, strict=True)), looks)
