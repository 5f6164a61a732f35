"""A Keras model run by TensorFlow in batches of one shape. Imported by workers only."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tasks import storage
from tasks.networks.archive import check_archive, refusal
from tasks.networks.engines import BATCH, checked
from tasks.networks.threads import use_granted_cpus


class TensorflowClassifier:
    """A saved model: uint8 RGB images in, probabilities out."""

    engine = f"tensorflow {tf.__version__}"

    def __init__(self, uri: str, sha256: str | None = None):
        self.model = load_model(uri, sha256)
        self.size_px: int = self.model.input_shape[1]
        self._forward = tf.function(lambda images: self.model(images, training=False), autograph=False)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 [n, classes] of images uint8 [n, size_px, size_px, 3], any n."""
        chunks = [self._padded(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
        return np.concatenate(chunks) if chunks else np.empty((0, self.model.output_shape[1]), np.float32)

    def _padded(self, images: np.ndarray) -> np.ndarray:
        """One shape for every batch, so that TensorFlow traces once."""
        full = np.zeros((BATCH, *images.shape[1:]), np.uint8)
        full[: len(images)] = images
        return self._forward(tf.constant(full)).numpy()[: len(images)]


def load_model(uri: str, sha256: str | None) -> keras.Model:
    """Load `model.keras`; JobError when its bytes are not `sha256` or it is not layers and weights alone."""
    data = checked(uri, sha256) if sha256 else storage.read_bytes(uri)
    check_archive(data, uri)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(data)
        try:
            return keras.models.load_model(path, safe_mode=True, compile=False)
        except Exception as error:  # Keras, h5py and TensorFlow raise what they like of broken weights
            raise refusal("be loaded by Keras", f"{str(error).splitlines()[0]!r} for {uri!r}") from error


def use_what_was_granted() -> None:
    """Bound TensorFlow's threads, and let other tasks have a share of the GPU."""
    use_granted_cpus()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
