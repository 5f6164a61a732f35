"""The record of a registered model version that goes between tasks."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self, get_args

from tasks import storage
from tasks.errors import JobError
from tasks.parameters import Fit, ModelKind

BATCH = 64  # images per prediction by TensorFlow
LARGEST_PX = 1024  # side of the images, as in `Training`


@dataclass(frozen=True)
class ModelVersion:
    """A registered model and what is needed to classify with it.

    folder_url: where its files lie. sha256, onnx_sha256: of model.keras and model.onnx, None without one.
    temperature: divides the logits before the softmax, for calibrated probabilities. unlike_below: likeness
    below which an image is unlike all that the model knows; None where it cannot tell (see `Likeness`), as
    versions of an older Darkroom. likeness_sha256: of likeness.npz. fit: how its pictures become squares;
    versions of an older Darkroom do not tell.
    """

    version: str
    kind: str
    folder_url: str
    sha256: str
    classes: tuple[str, ...]
    size_px: int
    temperature: float
    onnx_sha256: str | None = None
    unlike_below: float | None = None
    likeness_sha256: str | None = None
    fit: Fit = "squeeze"

    @classmethod
    def of(cls, record: Mapping[str, Any], folder_url: str) -> Self:
        """The version that a model.json tells of. Raises JobError for one that Darkroom would not write.

        Its words become names of files and folders, columns of tables and sizes of arrays.
        """
        values: dict[str, Any] = {field.name: record.get(field.name) for field in fields(cls)}
        fit = record.get("fit", cls.fit)
        version = cls(**values | {"folder_url": folder_url, "fit": fit})
        wrong = [name for name, is_right in version._checks() if not is_right]
        if wrong:
            raise JobError(
                f"model.json must be as it was registered. Received in {folder_url!r} another "
                f"{', '.join(wrong)}: restore the version."
            )
        return replace(version, classes=tuple(version.classes))

    def is_unlike(self, likeness: float | None) -> bool:
        """Whether an image of such a likeness is of no class; never where the likeness is not known."""
        return None not in (likeness, self.unlike_below) and likeness < self.unlike_below  # type: ignore[operator]

    def _checks(self) -> Iterator[tuple[str, bool]]:
        names, size_px, temperature = self.classes, self.size_px, self.temperature
        yield "version", self.version == storage.name_of(self.folder_url)
        yield "kind", self.kind in get_args(ModelKind)
        yield "sha256", isinstance(self.sha256, str)
        yield "onnx_sha256", isinstance(self.onnx_sha256, str | None)
        are_names = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
        yield "classes", are_names and len(names) == len(set(names)) > 1
        yield "size_px", isinstance(size_px, int) and 1 <= size_px <= LARGEST_PX
        yield "unlike_below", self.unlike_below is None or is_finite(self.unlike_below)
        yield "likeness_sha256", isinstance(self.likeness_sha256, str | None)
        yield "fit", self.fit in get_args(Fit)
        yield "temperature", isinstance(temperature, float | int) and 0 < temperature < math.inf


def is_finite(value: Any) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


def check_unregistered(folder_url: str) -> None:
    """Raise JobError when a registered version lies in the folder: its files must stay as they are."""
    if storage.exists(storage.version_record_url(folder_url)):
        raise JobError(
            "The files of a registered version are never rewritten: start a new run. "
            f"Received: {folder_url!r}."
        )
