"""How a model did, and what lies beside it: figures, predictions, evidence."""

import io
from dataclasses import dataclass

import numpy as np

from tasks import storage
from tasks.training import TrainedModel


@dataclass(frozen=True)
class Evaluation:
    """How one model did on validation and test."""

    kind: str
    version: str
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


def read_evaluation(model: TrainedModel, folder: str) -> Evaluation:
    """What metrics.json says of a model, in the run's folder of its kind."""
    metrics = storage.read_json(storage.metrics_url(folder))
    test = metrics["test"]
    return Evaluation(
        kind=model.kind,
        version=model.version,
        val_accuracy=metrics["val"]["accuracy"],
        accuracy=test["accuracy"],
        low=test["low"],
        high=test["high"],
        ece=test["ece"],
        temperature=metrics["temperature"],
    )


def write_arrays(url: str, **arrays: np.ndarray) -> None:
    data = io.BytesIO()
    np.savez_compressed(data, allow_pickle=False, **arrays)
    storage.write_bytes(url, data.getvalue())


def read_arrays(url: str) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(storage.read_bytes(url))) as arrays:
        return dict(arrays)


def read_predictions(folder: str) -> tuple[np.ndarray, np.ndarray]:
    """The test images' labels and what the model said of them, each int [images]."""
    arrays = read_arrays(storage.predictions_url(folder))
    return arrays["labels"], arrays["probabilities"].argmax(1)


def read_right(folder: str) -> np.ndarray:
    """Which test images the model got right, bool [images]."""
    labels, said = read_predictions(folder)
    return said == labels
