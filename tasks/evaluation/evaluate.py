"""A trained model judged on the untouched test split, once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset import Dataset, Split
from tasks.evaluation import drift
from tasks.evaluation.calibration import scale_temperature
from tasks.evaluation.metrics import confident_mistakes, judge, learning, mistakes
from tasks.evaluation.records import Evaluation, read_evaluation, write_arrays
from tasks.evaluation.slices import slices
from tasks.networks import predict_splits
from tasks.storage import Run
from tasks.training import TrainedModel, read_history

EXPLAINED = 5  # most confident mistakes of which the evidence is kept


@task(retries=1, cache_policy=NO_CACHE, task_run_name="evaluate {model.kind}")
def evaluate_model(model: TrainedModel, dataset: Dataset, run: Run) -> Evaluation:
    """Judge one trained model on the test split, calibrated on validation; once a run."""
    from tasks.networks.convert import export_onnx, sample

    folder, model_url = run.kind_url(model.kind), storage.model_url(run.version_url(model.kind))
    if not all(map(storage.exists, (storage.reference_url(folder), storage.metrics_url(folder)))):
        val, test = dataset.split("val"), dataset.split("test")
        val_probabilities, probabilities = predict_splits(model_url, [val, test])
        history = read_history(storage.history_url(folder))
        metrics = judge(dataset.classes, val.labels, val_probabilities, test.labels, probabilities)
        metrics |= {"model": model.kind, "learning": learning(history, model.best_epoch)}
        metrics["slices"] = slices(
            test.looks, test.labels, probabilities.argmax(1) == test.labels, dataset.classes
        )
        calibrated = scale_temperature(probabilities, metrics["temperature"])
        metrics["mistakes"] = mistakes(test.paths, test.labels, calibrated, dataset.classes)
        write_arrays(storage.predictions_url(folder), labels=test.labels, probabilities=probabilities)
        explain_mistakes(model_url, test, calibrated, storage.evidence_url(folder))
        storage.write_json(storage.reference_url(folder), drift_reference(test, calibrated, dataset.classes))
        export_onnx(run.version_url(model.kind), sample(test))
        storage.write_json(storage.metrics_url(folder), metrics)
    return read_evaluation(model, folder)


def explain_mistakes(model_url: str, test: Split, probabilities: np.ndarray, url: str) -> None:
    """Write the evidence in the most confident mistakes, float16 [n, 2, height, width].

    First that for the class that the model said, then that for the true one.
    """
    from tasks.networks.gradcam import evidence

    rows = confident_mistakes(test.labels, probabilities)[:EXPLAINED]
    if len(rows):
        asked = np.stack([probabilities[rows].argmax(1), test.labels[rows]], axis=1)
        write_arrays(url, evidence=evidence(model_url, test.take(rows), asked))


def drift_reference(test: Split, probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """What bulk predictions are held against later: labels, confidence and looks of the test images."""
    chosen = np.bincount(probabilities.argmax(1), minlength=len(classes)).tolist()
    looks = drift.histograms({"confidence": probabilities.max(1), **test.looks})
    return drift.reference(dict(zip(classes, chosen, strict=True)), looks)
