"""A trained model in ONNX, which must give the answers of the original. Imported by workers only."""

import logging
import tempfile
from pathlib import Path

import numpy as np

from tasks import storage
from tasks.classifier import TensorflowClassifier, load_model
from tasks.engines import OnnxClassifier

LARGEST_DIFFERENCE = 1e-3  # of a probability
SAME_LABELS = 0.999

log = logging.getLogger("darkroom")


def export_onnx(uri: str, images: np.ndarray) -> bool:
    """Write `model.onnx` beside the model at `uri`, if both say the same of `images`.

    images: uint8 [n, size_px, size_px, 3]. Returns whether it was written.
    """
    try:
        data = converted(uri)
    except Exception as error:  # converters raise whatever they like; TensorFlow runs the model then
        log.warning("model.onnx could not be made: %s", error)
        return False
    ours, theirs = OnnxClassifier(data).predict(images), TensorflowClassifier(uri).predict(images)
    difference = float(np.abs(ours - theirs).max())
    same = float(np.mean(ours.argmax(1) == theirs.argmax(1)))
    if difference > LARGEST_DIFFERENCE or same < SAME_LABELS:
        log.warning("model.onnx differs by %.1e, %.2f %% of labels alike: left out", difference, 100 * same)
        return False
    storage.write_bytes(storage.beside(uri, "model.onnx"), data)
    return True


def converted(uri: str) -> bytes:
    model = load_model(uri, None)
    model(np.zeros((1, *model.input_shape[1:]), np.uint8))  # Keras exports what has been called once
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "model.onnx"))
        model.export(path, format="onnx", verbose=False)
        return Path(path).read_bytes()
