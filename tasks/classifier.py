"""A model loaded once per process and run in batches of one shape. Imported by workers only."""

import functools
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tasks import storage
from tasks.errors import JobError
from tasks.predictions import BATCH
from tasks.threads import use_granted_cpus


class Classifier:
    """A saved model: uint8 RGB images in, probabilities out. `engine` names what runs it."""

    engine = f"tensorflow {tf.__version__}"

    def __init__(self, uri: str, sha256: str | None = None):
        self._model = load_model(uri, sha256)
        self.size_px: int = self._model.input_shape[1]
        self._forward = tf.function(lambda images: self._model(images, training=False))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 [n, classes] of images uint8 [n, size_px, size_px, 3], any n."""
        chunks = [self._padded(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
        return np.concatenate(chunks) if chunks else np.empty((0, self._model.output_shape[1]), np.float32)

    def _padded(self, images: np.ndarray) -> np.ndarray:
        """One shape for every batch, so that TensorFlow traces once."""
        full = np.zeros((BATCH, *images.shape[1:]), np.uint8)
        full[: len(images)] = images
        return self._forward(tf.constant(full)).numpy()[: len(images)]


def load_model(uri: str, sha256: str | None) -> keras.Model:
    """Load `model.keras`, Lambda layers and pickles refused; JobError when its bytes are not `sha256`."""
    data = storage.read_bytes(uri)
    if sha256 and storage.sha256(data) != sha256:
        raise JobError(
            f"The model's bytes must have the sha256 its model.json names, {sha256[:12]}... "
            f"Received {storage.sha256(data)[:12]}... from {uri!r}: train or restore the version again."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(data)
        return keras.models.load_model(path, safe_mode=True, compile=False)


@functools.lru_cache(maxsize=1)
def load_classifier(uri: str, sha256: str) -> Classifier:
    """The classifier of this worker process, loaded the first time it is asked for."""
    use_granted_cpus()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # another task may share it
    return Classifier(uri, sha256)
