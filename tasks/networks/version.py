"""A model version, as far as whoever loads it must know it."""

from dataclasses import dataclass

from tasks import storage
from tasks.errors import JobError

BATCH = 64


@dataclass(frozen=True)
class ModelVersion:
    """A registered model, and what classification must know of it."""

    version: str
    kind: str
    folder_url: str
    sha256: str
    classes: tuple[str, ...]
    size_px: int
    temperature: float
    onnx_sha256: str | None = None


def check_unregistered(folder_url: str) -> None:
    """Raise JobError when a version is registered in the folder."""
    if storage.exists(storage.version_record_url(folder_url)):
        raise JobError(
            "The files of a registered version are never rewritten: start a new run. "
            f"Received: {folder_url!r}."
        )
