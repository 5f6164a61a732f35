"""Exports a version to other formats, if it predicts the same there.

Loads TensorFlow: imported by worker processes and by `darkroom models export` only.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tasks import storage
from tasks.dataset import Split
from tasks.errors import InputError, JobError
from tasks.networks import ModelVersion, read_verified
from tasks.networks.convert import LARGEST_DIFFERENCE, NAMES, RUN, convert, differences, differs, sample
from tasks.networks.keras_engine import TensorflowClassifier
from tasks.parameters import ExportFormat
from tasks.registry.versions import read_record, read_version

NOISE_IMAGES = 64  # to check with where the dataset has been removed


@dataclass(frozen=True)
class Export:
    """What was written, and how its predictions compare with the original's on `images` images.

    path: the new folder. bytes: size of the model in it. real: whether the images were test images of the
    model's dataset, not noise. difference: the largest of any probability. same: share of images that get
    the same label.
    """

    path: str
    bytes: int
    images: int
    real: bool
    difference: float
    same: float


def export_version(store: str, name: str, format: ExportFormat, output: Path | None = None) -> Export:
    """Write a version for other programs: a new folder with the model, labels.txt and card.md.

    output: the folder, by default named after version and format; it appears only when it is complete.
    Raises InputError when there is something in it, and JobError when the exported model predicts
    differently from the original.
    """
    record, version = read_record(store, name), read_version(store, name)
    output = output or Path(f"{version.version}-{format}")
    check_new(output)
    images, real = images_to_check(storage.absolute(store), record)
    classifier = TensorflowClassifier(storage.model_url(version.folder_url), version.sha256)
    probabilities = classifier.predict(images)
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        storage.naming_disk(str(output.parent)),
        tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as folder,
    ):
        partial = Path(folder, "export")
        partial.mkdir()
        model_path = partial / NAMES[format]
        write_model(version, classifier.model, format, model_path)
        difference, same = differences(probabilities, RUN[format](model_path, images))
        if differs(difference, same):
            raise JobError(
                f"An exported model must give the answers of the original, probabilities within "
                f"{LARGEST_DIFFERENCE} and the same labels. Received a difference of {difference:.1e} and "
                f"{same:.2%} of {len(images)} labels alike for {format}: nothing was written."
            )
        (partial / "labels.txt").write_text("".join(f"{label}\n" for label in version.classes))
        card_url = storage.card_url(version.folder_url)
        if storage.exists(card_url):
            (partial / "card.md").write_bytes(storage.read_bytes(card_url))
        size = sum(path.stat().st_size for path in [model_path, *model_path.rglob("*")] if path.is_file())
        os.rename(partial, output)
    return Export(str(output), size, len(images), real, difference, same)


def check_new(output: Path) -> None:
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise InputError(f"`output` must be a new or empty folder. Received: {str(output)!r}.")


def images_to_check(store: str, record: Mapping[str, Any]) -> tuple[np.ndarray, bool]:
    """Test images of the version's dataset and True; noise and False where the dataset has been removed.

    Images are uint8 [n, size_px, size_px, 3].
    """
    dataset_url, size_px = storage.dataset_url(store, record["dataset"]), record["size_px"]
    if not storage.exists(storage.success_url(dataset_url)):
        shape = (NOISE_IMAGES, size_px, size_px, 3)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), False
    return sample(Split(dataset_url, record["classes"], size_px, "test")), True


def write_model(version: ModelVersion, model: keras.Model, format: ExportFormat, path: Path) -> None:
    """Write the model in another format; for ONNX, copy the file that was registered, if one was."""
    if format == "onnx" and version.onnx_sha256:
        path.write_bytes(read_verified(storage.onnx_url(version.folder_url), version.onnx_sha256))
        return
    try:
        convert(model, format, path)
    except Exception as error:  # converters raise whatever they like
        raise JobError(f"{version.version} cannot be exported to {format}: {error}") from error
