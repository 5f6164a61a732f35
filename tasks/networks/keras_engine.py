"""Runs a Keras model with TensorFlow, in batches of one shape. Loads TensorFlow."""

import numpy as np
import tensorflow as tf

from tasks.networks.archive import load_model
from tasks.networks.threads import use_granted_cpus
from tasks.networks.version import BATCH


class TensorflowClassifier:
    """A model.keras in TensorFlow. sha256: of its bytes; None to trust what is there (see `load_model`)."""

    engine = f"tensorflow {tf.__version__}"

    def __init__(self, model_url: str, sha256: str | None = None):
        self.model = load_model(model_url, sha256)
        self.size_px: int = self.model.input_shape[1]
        self.width: int = self.model.output_shape[1]
        self._forward = tf.function(lambda images: self.model(images, training=False), autograph=False)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 [n, classes] of images uint8 [n, size_px, size_px, 3], any n."""
        starts = range(0, len(images), BATCH)
        chunks = [self._predict_batch(images[start : start + BATCH]) for start in starts]
        return np.concatenate(chunks) if chunks else np.empty((0, self.width), np.float32)

    def _predict_batch(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of up to BATCH images, padded to BATCH so that TensorFlow traces only one shape."""
        batch = np.zeros((BATCH, *images.shape[1:]), np.uint8)
        batch[: len(images)] = images
        return self._forward(tf.constant(batch)).numpy()[: len(images)]


def use_granted_resources() -> None:
    """Limit TensorFlow to the CPUs that Ray granted, and to the GPU memory that it needs."""
    use_granted_cpus()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
