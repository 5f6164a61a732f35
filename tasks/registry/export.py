"""A trained model in other formats, which must give the answers of the original. Imported by workers only."""

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tasks import storage
from tasks.dataset.index import Shards, Split
from tasks.dataset.parts import success_url
from tasks.errors import InputError, JobError
from tasks.networks.engines import BATCH, OnnxClassifier, checked
from tasks.networks.keras_engine import TensorflowClassifier
from tasks.parameters import ExportFormat
from tasks.registry.versions import ModelVersion, models_url, read_record, read_version
from tasks.training.run import check_unregistered

LARGEST_DIFFERENCE = 1e-3  # of a probability
SAME_LABELS = 0.999
CHECKED = 512  # test images, of all classes, that an exported model must answer alike
NOISE = 64  # images, where the dataset has gone
NAMES: dict[ExportFormat, str] = {"savedmodel": "saved_model", "litert": "model.tflite", "onnx": "model.onnx"}

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class Export:
    """What was written, and how its answers differ from the original's on `images` images.

    difference: the largest of any probability; same: share of images with the same label; real: whether
    they were test images of the model's dataset, not noise.
    """

    path: str
    bytes: int
    images: int
    real: bool
    difference: float
    same: float


def export_onnx(uri: str, images: np.ndarray) -> bool:
    """Write `model.onnx` beside the model at `uri`, if both say the same of `images`.

    images: uint8 [n, size_px, size_px, 3]. Returns whether it was written.
    """
    check_unregistered(uri)
    classifier = TensorflowClassifier(uri)
    answers = classifier.predict(images)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, NAMES["onnx"])
            convert(classifier.model, "onnx", path)
            data = path.read_bytes()
    except Exception as error:  # converters raise whatever they like; TensorFlow runs the model then
        log.warning("model.onnx could not be made: %s", error)
        return False
    difference, same = differences(answers, OnnxClassifier(data).predict(images))
    if differs(difference, same):
        log.warning("model.onnx differs by %.1e, %.2f %% of labels alike: left out", difference, 100 * same)
        return False
    storage.write_bytes(storage.beside(uri, NAMES["onnx"]), data)
    return True


def export_version(store: str, name: str, format: ExportFormat, output: Path | None = None) -> Export:
    """Write a version for other programs: a new folder with the model, labels.txt and card.md.

    output: the folder, by default named after version and format. It is there whole or not at all.
    Raises InputError when there is something in it, and JobError when what was exported answers otherwise
    than the original.
    """
    record, version = read_record(store, name), read_version(store, name)
    output = output or Path(f"{version.version}-{format}")
    check_new(output)
    images, real = images_to_check(storage.absolute(store), record)
    classifier = TensorflowClassifier(version.uri, version.sha256)
    answers = classifier.predict(images)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as folder:
        partial = Path(folder, "export")
        partial.mkdir()
        model = partial / NAMES[format]
        write(version, classifier.model, format, model)
        difference, same = differences(answers, RUN[format](model, images))
        if differs(difference, same):
            raise JobError(
                f"An exported model must give the answers of the original, probabilities within "
                f"{LARGEST_DIFFERENCE} and the same labels. Received a difference of {difference:.1e} and "
                f"{same:.2%} of {len(images)} labels alike for {format}: nothing was written."
            )
        (partial / "labels.txt").write_text("".join(f"{label}\n" for label in version.classes))
        card = models_url(store, version.version, "card.md")
        if storage.exists(card):
            (partial / "card.md").write_bytes(storage.read_bytes(card))
        written = sum(path.stat().st_size for path in [model, *model.rglob("*")] if path.is_file())
        os.rename(partial, output)
    return Export(str(output), written, len(images), real, difference, same)


def check_new(output: Path) -> None:
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise InputError(f"`output` must be a new or empty folder. Received: {str(output)!r}.")


def images_to_check(store: str, record: Mapping[str, Any]) -> tuple[np.ndarray, bool]:
    """Test images of the dataset a version was made from, and True; noise and False where that has gone."""
    dataset, size_px = storage.join(store, "datasets", record["dataset"]), record["size_px"]
    if not storage.exists(success_url(dataset)):
        shape = (NOISE, size_px, size_px, 3)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), False
    classes = tuple(record["classes"])
    test = Split(Shards(dataset, record["dataset"], "", classes, size_px, {}, 0, 0, 0, 0), "test")
    return sample(test), True


def sample(test: Split) -> np.ndarray:
    """CHECKED of the test images, evenly spaced, so that all classes are among them."""
    return test.take(np.linspace(0, len(test) - 1, min(len(test), CHECKED)).astype(int))


def write(version: ModelVersion, model: keras.Model, format: ExportFormat, path: Path) -> None:
    """Write the model in its new format; the ONNX that was registered is taken as it is."""
    if format == "onnx" and version.onnx_sha256:
        path.write_bytes(checked(storage.beside(version.uri, NAMES["onnx"]), version.onnx_sha256))
        return
    try:
        convert(model, format, path)
    except Exception as error:  # converters raise whatever they like
        raise JobError(f"{version.version} cannot be exported to {format}: {error}") from error


def convert(model: keras.Model, format: ExportFormat, path: Path) -> None:
    """Let Keras write a model, which must have been called once, as SavedModel, LiteRT or ONNX.

    LiteRT gets its own operations alone, so that phones need no part of TensorFlow.
    """
    options: dict[ExportFormat, dict[str, Any]] = {
        "savedmodel": {"format": "tf_saved_model"},
        "litert": {"format": "litert", "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}},
        "onnx": {"format": "onnx"},
    }
    with warnings.catch_warnings(action="ignore"):
        model.export(str(path), verbose=False, **options[format])


def differences(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """The largest difference of a probability, and the share of images with the same label."""
    return float(np.abs(ours - theirs).max()), float(np.mean(ours.argmax(1) == theirs.argmax(1)))


def differs(difference: float, same: float) -> bool:
    return not (difference <= LARGEST_DIFFERENCE and same >= SAME_LABELS)


def run_savedmodel(path: Path, images: np.ndarray) -> np.ndarray:
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    return in_batches(lambda batch: serve(image=tf.constant(batch))["output_0"].numpy(), images)


def run_litert(path: Path, images: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings(action="ignore"):  # it wants to be taken from a package of its own
        serve = tf.lite.Interpreter(str(path)).get_signature_runner()
    return in_batches(lambda batch: serve(image=batch)["output_0"], images)


def run_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    return OnnxClassifier(path.read_bytes()).predict(images)


def in_batches(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    return np.concatenate([run(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


RUN: dict[ExportFormat, Callable[[Path, np.ndarray], np.ndarray]] = {
    "savedmodel": run_savedmodel,
    "litert": run_litert,
    "onnx": run_onnx,
}
