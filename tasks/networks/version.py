"""The record of a registered model version that goes between tasks."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self, get_args

from tasks import storage
from tasks.errors import InputError, JobError
from tasks.parameters import Engine, Fit, ModelKind

BATCH = 64  # images per prediction by TensorFlow on CPUs
LARGEST_PX = 1024  # side of the images, as in `Training`


@dataclass(frozen=True)
class Int8:
    """What else is needed to classify with a version's model.int8.onnx: as in `ModelVersion`, but its own."""

    sha256: str
    temperature: float
    unlike_below: float | None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self | None:
        """That of a model.json's key `int8`, which tells why where there is none."""
        values: dict[str, Any] = record.get("int8") or {}
        if not values.get("kept"):
            return None
        int8 = cls(values.get("sha256", ""), values.get("temperature", 0.0), values.get("unlike_below"))
        is_right = isinstance(int8.sha256, str) and is_temperature(int8.temperature)
        if not is_right or not (int8.unlike_below is None or is_finite(int8.unlike_below)):
            raise JobError("model.json must be as it was registered. Received another int8: restore it.")
        return int8


@dataclass(frozen=True)
class ModelVersion:
    """A registered model and what is needed to classify with it.

    folder_url: where its files lie. sha256, onnx_sha256: of model.keras and model.onnx, None without one.
    temperature: divides the logits before the softmax, for calibrated probabilities. unlike_below: likeness
    below which an image is unlike all that the model knows; None where it cannot tell (see `Likeness`), as
    versions of an older Darkroom. likeness_sha256: of likeness.npz. fit: how its pictures become squares;
    versions of an older Darkroom do not tell. int8: None where a model of integers would cost accuracy.
    engine: which of its models to classify with; temperature and unlike_below are its.
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
    int8: Int8 | None = None
    engine: Engine = "exact"

    @classmethod
    def of(cls, record: Mapping[str, Any], folder_url: str) -> Self:
        """The version that a model.json tells of. Raises JobError for one that Darkroom would not write.

        Its words become names of files and folders, columns of tables and sizes of arrays.
        """
        values: dict[str, Any] = {field.name: record.get(field.name) for field in fields(cls)}
        fit = record.get("fit", cls.fit)
        version = cls(**values | {"folder_url": folder_url, "fit": fit, "engine": "exact"})
        wrong = [name for name, is_right in version._checks() if not is_right]
        if wrong:
            raise JobError(
                f"model.json must be as it was registered. Received in {folder_url!r} another "
                f"{', '.join(wrong)}: restore the version."
            )
        return replace(version, classes=tuple(version.classes), int8=Int8.of(record))

    def by_int8(self) -> Self:
        """The same version, to classify with its model of integers. Raises InputError where it has none."""
        if not self.int8:
            raise InputError(
                "`engine` int8 needs a version whose model of integers was kept. Received "
                f"{self.version}, whose was not (its card.md says why): take `exact`, or another version."
            )
        temperature, unlike_below = self.int8.temperature, self.int8.unlike_below
        return replace(self, engine="int8", temperature=temperature, unlike_below=unlike_below)

    def is_unlike(self, likeness: float | None) -> bool:
        """Whether an image of such a likeness is of no class; never where the likeness is not known."""
        return None not in (likeness, self.unlike_below) and likeness < self.unlike_below  # type: ignore[operator]

    def _checks(self) -> Iterator[tuple[str, bool]]:
        names, size_px = self.classes, self.size_px
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
        yield "temperature", is_temperature(self.temperature)
        yield "int8", self.int8 is None or isinstance(self.int8, Mapping)


def is_temperature(value: Any) -> bool:
    return is_finite(value) and value > 0


def is_finite(value: Any) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


def check_unregistered(folder_url: str) -> None:
    """Raise JobError when a registered version lies in the folder: its files must stay as they are."""
    if storage.exists(storage.version_record_url(folder_url)):
        raise JobError(
            "The files of a registered version are never rewritten: start a new run. "
            f"Received: {folder_url!r}."
        )
