"""The record of a registered model version that goes between tasks."""

from dataclasses import dataclass

from tasks import storage
from tasks.errors import JobError

BATCH = 64  # images per prediction by TensorFlow


@dataclass(frozen=True)
class ModelVersion:
    """A registered model and what is needed to classify with it.

    folder_url: where its files lie. sha256, onnx_sha256: of model.keras and model.onnx, None without one.
    temperature: divides the logits before the softmax, for calibrated probabilities.
    """

    version: str
    kind: str
    folder_url: str
    sha256: str
    classes: tuple[str, ...]
    size_px: int
    temperature: float
    onnx_sha256: str | None = None


def check_unregistered(folder_url: str) -> None:
    """Raise JobError when a registered version lies in the folder: its files must stay as they are."""
    if storage.exists(storage.version_record_url(folder_url)):
        raise JobError(
            "The files of a registered version are never rewritten: start a new run. "
            f"Received: {folder_url!r}."
        )
