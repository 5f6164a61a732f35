"""A Keras model run by TensorFlow in batches of one shape. Imported by workers only."""

import numpy as np
import tensorflow as tf

from tasks.networks.archive import load_model
from tasks.networks.threads import use_granted_cpus
from tasks.networks.version import BATCH


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


def use_what_was_granted() -> None:
    """Bound TensorFlow's threads, and let other tasks have a share of the GPU."""
    use_granted_cpus()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
