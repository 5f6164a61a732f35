"""A trained model judged on the untouched test split, once."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset.decode import resize_all
from tasks.dataset.index import Shards, Split
from tasks.evaluation import drift
from tasks.evaluation.calibration import scale_temperature
from tasks.evaluation.metrics import confident_mistakes, judge, learning, mistakes
from tasks.evaluation.slices import slices
from tasks.training.run import Run, TrainedModel

READ_AT_ONCE = 512  # images
EVIDENCE, EXPLAINED = "evidence.npz", 5


@dataclass(frozen=True)
class Evaluation:
    """How one model did; `uri` has metrics.json and predictions.npz."""

    kind: str
    version: str
    uri: str
    val_accuracy: float
    accuracy: float
    low: float
    high: float
    ece: float
    temperature: float

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.accuracy:.3f} of the test images right "
            f"(95 % interval {self.low:.3f} to {self.high:.3f}), validation {self.val_accuracy:.3f}"
        )


@task(retries=1, cache_policy=NO_CACHE, task_run_name="evaluate {model.kind}")
def evaluate_model(model: TrainedModel, shards: Shards, run: Run) -> Evaluation:
    """Judge one trained model on the test split, calibrated on validation; once a run."""
    from tasks.registry.export import export_onnx, sample

    uri = run.url(model.kind)
    if not all(storage.exists(storage.join(uri, name)) for name in ("reference.json", "metrics.json")):
        val, test = Split(shards, "val"), Split(shards, "test")
        val_probabilities, probabilities = predict_all(model.uri, [val, test])
        history = read_history(storage.join(uri, "history.csv"))
        metrics = judge(shards.classes, val.labels, val_probabilities, test.labels, probabilities)
        metrics |= {"model": model.kind, "learning": learning(history, model.best_epoch)}
        metrics["slices"] = slices(
            test.looks, test.labels, probabilities.argmax(1) == test.labels, shards.classes
        )
        calibrated = scale_temperature(probabilities, metrics["temperature"])
        metrics["mistakes"] = mistakes(test.paths, test.labels, calibrated, shards.classes)
        write_arrays(storage.join(uri, "predictions.npz"), labels=test.labels, probabilities=probabilities)
        explain_mistakes(model.uri, test, calibrated, storage.join(uri, EVIDENCE))
        storage.write_json(
            storage.join(uri, "reference.json"), drift_reference(test, calibrated, shards.classes)
        )
        export_onnx(model.uri, sample(test))
        storage.write_json(storage.join(uri, "metrics.json"), metrics)
    return read_evaluation(model, uri)


def explain_mistakes(uri: str, test: Split, probabilities: np.ndarray, url: str) -> None:
    """Write the evidence in the most confident mistakes, float16 [n, 2, height, width].

    First that for the class the model at `uri` said, then that for the true one.
    """
    from tasks.networks.gradcam import evidence

    rows = confident_mistakes(test.labels, probabilities)[:EXPLAINED]
    if len(rows):
        asked = np.stack([probabilities[rows].argmax(1), test.labels[rows]], axis=1)
        write_arrays(url, evidence=evidence(uri, test.take(rows), asked))


def drift_reference(test: Split, probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """What bulk predictions are held against later: labels, confidence and looks of the test images."""
    chosen = np.bincount(probabilities.argmax(1), minlength=len(classes)).tolist()
    looks = drift.histograms({"confidence": probabilities.max(1), **test.looks})
    return drift.reference(dict(zip(classes, chosen, strict=True)), looks)


def read_evaluation(model: TrainedModel, uri: str) -> Evaluation:
    metrics = storage.read_json(storage.join(uri, "metrics.json"))
    test = metrics["test"]
    return Evaluation(
        kind=model.kind,
        version=model.version,
        uri=uri,
        val_accuracy=metrics["val"]["accuracy"],
        accuracy=test["accuracy"],
        low=test["low"],
        high=test["high"],
        ece=test["ece"],
        temperature=metrics["temperature"],
    )


def predict(uri: str, split: Split, sha256: str | None = None) -> np.ndarray:
    """Probabilities float32 [images, classes] of a whole split by the model at `uri`, its bytes checked.

    A model of another image size gets the images resized to its own.
    """
    return predict_all(uri, [split], sha256)[0]


def predict_all(uri: str, splits: Sequence[Split], sha256: str | None = None) -> list[np.ndarray]:
    """The same of several splits, the model loaded once."""
    from tasks.networks.keras_engine import TensorflowClassifier, use_what_was_granted

    use_what_was_granted()
    classifier = TensorflowClassifier(uri, sha256)

    def of_split(split: Split) -> np.ndarray:
        starts = range(0, len(split), READ_AT_ONCE)
        batches = (split.take(np.arange(start, min(start + READ_AT_ONCE, len(split)))) for start in starts)
        return np.concatenate(
            [classifier.predict(resize_all(batch, classifier.size_px)) for batch in batches]
        )

    return [of_split(split) for split in splits]


def write_arrays(url: str, **arrays: np.ndarray) -> None:
    data = io.BytesIO()
    np.savez_compressed(data, allow_pickle=False, **arrays)
    storage.write_bytes(url, data.getvalue())


def read_arrays(url: str) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(storage.read_bytes(url))) as arrays:
        return dict(arrays)


def read_predictions(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    """The test images' labels and what the model said of them, each int [images]."""
    arrays = read_arrays(storage.join(evaluation.uri, "predictions.npz"))
    return arrays["labels"], arrays["probabilities"].argmax(1)


def read_right(evaluation: Evaluation) -> np.ndarray:
    """Which test images the model got right, bool [images]."""
    labels, said = read_predictions(evaluation)
    return said == labels


def read_history(url: str) -> list[dict[str, float]]:
    rows = csv.DictReader(storage.read_bytes(url).decode().splitlines())
    return [{name: float(value) for name, value in row.items()} for row in rows]
