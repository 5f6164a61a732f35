"""Writes a trained model in other formats, and compares their predictions with its own. Loads TensorFlow."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tasks import storage
from tasks.dataset import Split
from tasks.errors import JobError
from tasks.networks.architectures import with_features
from tasks.networks.engines import OnnxClassifier
from tasks.networks.keras_engine import TensorflowClassifier
from tasks.networks.version import BATCH, check_unregistered
from tasks.parameters import ExportFormat
from tasks.process import collecting

LARGEST_DIFFERENCE = 1e-3  # of a probability
SAME_LABELS = 0.999  # share of images
IMAGES_COMPARED = 512
NAMES: dict[ExportFormat, str] = {"savedmodel": "saved_model", "litert": "model.tflite", "onnx": storage.ONNX}

log = logging.getLogger("darkroom")


def export_onnx(folder_url: str, images: np.ndarray) -> bool:
    """Write `model.onnx` beside the model in a version's folder, if both predict the same for `images`.

    images: uint8 [n, size_px, size_px, 3]. Its second output is what the head sees. Returns whether it was
    written; a model that cannot be converted is no error, since TensorFlow can run it. Raises JobError when
    the version is registered already.
    """
    check_unregistered(folder_url)
    storage.remove(storage.onnx_url(folder_url))  # of an attempt that was killed
    classifier = TensorflowClassifier(storage.model_url(folder_url))
    expected = classifier.predict(images)
    try:
        data = onnx_bytes(with_features(classifier.model))
    except JobError:  # of the disk, which a model that can be converted is not to suffer from
        raise
    except Exception as error:  # converters raise errors of many kinds
        log.warning("model.onnx could not be made: %s", error)
        return False
    difference, same = differences(expected, OnnxClassifier(data).predict(images))
    if differs(difference, same):
        log.warning("model.onnx differs by %.1e, %.2f %% of labels alike: left out", difference, 100 * same)
        return False
    storage.write_bytes(storage.onnx_url(folder_url), data)
    return True


def onnx_bytes(model: keras.Model) -> bytes:
    """A model as the content of an ONNX file. Converters raise errors of many kinds, the disk JobError."""
    model(np.zeros((1, *model.input_shape[1:]), np.uint8))  # Keras exports only models that have been called
    with storage.temporary_folder() as folder:
        path = folder / NAMES["onnx"]
        convert(model, "onnx", path)
        return path.read_bytes()


def sample(test: Split) -> np.ndarray:
    """IMAGES_COMPARED of the test images, evenly spaced, so that all classes are among them."""
    return test.take(np.linspace(0, len(test) - 1, min(len(test), IMAGES_COMPARED)).astype(int))


def convert(model: keras.Model, format: ExportFormat, path: Path) -> None:
    """Write a model, which must have been called once, as SavedModel, LiteRT or ONNX.

    LiteRT gets only operations of its own, so that phones need no part of TensorFlow.
    """
    options: dict[ExportFormat, dict[str, Any]] = {
        "savedmodel": {"format": "tf_saved_model"},
        "litert": {"format": "litert", "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}},
        "onnx": {"format": "onnx"},
    }
    # AutoGraph, which cannot be switched off here, leaves files where Ray ends the process. tf2onnx copies
    # the graph for each of its optimizers: of the CNN 2 GB in all, where garbage is not collected at once.
    with warnings.catch_warnings(action="ignore"), storage.own_temporary_folder(), collecting():
        model.export(str(path), verbose=False, **options[format])


def differences(expected: np.ndarray, exported: np.ndarray) -> tuple[float, float]:
    """Compare the probabilities, float [images, classes], of a model and of its exported form.

    Returns the largest difference of a probability and the share of images with the same label.
    """
    same_labels = expected.argmax(1) == exported.argmax(1)
    return float(np.abs(expected - exported).max()), float(np.mean(same_labels))


def differs(difference: float, same: float) -> bool:
    """Whether an exported model differs too much; also where a probability is not a number."""
    return not (difference <= LARGEST_DIFFERENCE and same >= SAME_LABELS)


def run_savedmodel(path: Path, images: np.ndarray) -> np.ndarray:
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    return in_batches(lambda batch: serve(image=tf.constant(batch))["output_0"].numpy(), images)


def run_litert(path: Path, images: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings(action="ignore"):  # that another package will replace tf.lite
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
