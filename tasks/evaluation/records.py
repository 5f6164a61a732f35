"""The record of how a model did, and readers of the files an evaluation leaves."""

import io
from dataclasses import dataclass

import numpy as np

from tasks import storage
from tasks.training import TrainedModel


@dataclass(frozen=True)
class Evaluation:
    """How one model did, as shares in [0, 1]: `accuracy` on test, its 95 % interval `low` to `high`.

    ece: expected calibration error on test, before the temperature is applied. val_loss: cross-entropy on
    validation. parameters: how many the model has. val_macro_recall: None in an older Darkroom's run.
    """

    kind: str
    version: str
    val_accuracy: float
    accuracy: float
    low: float
    high: float
    ece: float
    temperature: float
    val_loss: float
    parameters: int
    val_macro_recall: float | None = None

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.accuracy:.3f} of the test images right "
            f"(95 % interval {self.low:.3f} to {self.high:.3f}), validation {self.val_accuracy:.3f}"
        )


def read_evaluation(model: TrainedModel, folder_url: str) -> Evaluation:
    """The evaluation in metrics.json. folder_url: the run's folder of the model's kind (`Run.kind_url`)."""
    metrics = storage.read_json(storage.metrics_url(folder_url))
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
        val_loss=metrics["val"]["log_loss"],
        parameters=model.parameters,
        val_macro_recall=metrics["val"].get("macro_recall"),
    )


def write_arrays(url: str, **arrays: np.ndarray) -> None:
    """Write named arrays as one compressed .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    storage.write_bytes(url, buffer.getvalue())


def read_predictions(folder_url: str) -> tuple[np.ndarray, np.ndarray]:
    """True class of every test image, int [images], and probabilities, float [images, classes].

    folder_url: `Run.kind_url`.
    """
    arrays = storage.read_arrays(storage.predictions_url(folder_url))
    return arrays["labels"], arrays["probabilities"]


def read_right(folder_url: str) -> np.ndarray:
    """Which test images the model got right, bool [images]. folder_url: `Run.kind_url`."""
    labels, probabilities = read_predictions(folder_url)
    return probabilities.argmax(1) == labels
