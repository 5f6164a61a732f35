"""Runs a Keras model with TensorFlow, in batches of one shape. Loads TensorFlow."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tasks.ahead import prefetch
from tasks.networks.architectures import with_features
from tasks.networks.archive import load_model
from tasks.networks.threads import use_granted_cpus
from tasks.networks.version import BATCH

GPU_PIXELS = 512 * 150**2  # of images that a GPU sees at once: 64 of 150 px leave it idle


class TensorflowClassifier:
    """A model.keras in TensorFlow. sha256: of its bytes; None to trust what is there (see `load_model`)."""

    engine = f"tensorflow {tf.__version__}"

    def __init__(self, model_url: str, sha256: str | None = None):
        self.model = load_model(model_url, sha256)
        self.size_px: int = self.model.input_shape[1]
        self.width: int = self.model.output_shape[1]
        self.features: int = self.model.get_layer("logits").input.shape[1]
        whole = with_features(self.model)
        self._forward = tf.function(lambda images: whole(images, training=False), autograph=False)
        self.batch = BATCH
        if has_gpu():
            self.batch = most_at_once(self.size_px, self._look_at_batch)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 [n, classes] of images uint8 [n, size_px, size_px, 3], any n."""
        return self.look(images)[0]

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities, and what the head sees of each image, float32 [n, features]."""
        starts = range(0, len(images), self.batch)
        if not starts:
            return np.empty((0, self.width), np.float32), np.empty((0, self.features), np.float32)
        batches = prefetch(lambda: (self._on_device(images[start : start + self.batch]) for start in starts))
        probabilities, features = zip(*map(self._look_at_batch, batches), strict=True)
        return np.concatenate(probabilities)[: len(images)], np.concatenate(features)[: len(images)]

    def _on_device(self, images: np.ndarray) -> tf.Tensor:
        """Some images padded to a whole batch: TensorFlow traces one shape, and rounds all alike."""
        batch = np.zeros((self.batch, *images.shape[1:]), np.uint8)
        batch[: len(images)] = images
        return tf.constant(batch)

    def _look_at_batch(self, batch: tf.Tensor) -> list[np.ndarray]:
        return [output.numpy() for output in self._forward(batch)]


def has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def gpu_batch(size_px: int) -> int:
    """How many images a GPU sees at once: BATCH or twice that and so on, GPU_PIXELS at most."""
    most = BATCH
    while 2 * most * size_px**2 <= GPU_PIXELS:
        most *= 2
    return most


def most_at_once(size_px: int, look: Callable[[tf.Tensor], object]) -> int:
    """`gpu_batch`, or a half of it and so on, as the GPU's memory holds it: others may use it too.

    look: runs a network on images uint8 [n, size_px, size_px, 3].
    """
    most = gpu_batch(size_px)
    while most > BATCH:
        try:
            look(tf.zeros((most, size_px, size_px, 3), tf.uint8))
            return most
        except tf.errors.ResourceExhaustedError:
            most //= 2
    return most


def use_granted_resources() -> None:
    """Limit TensorFlow to the CPUs that Ray granted, and to the GPU memory that it needs.

    A GPU answers in float32 as a CPU does: TF32's ten bits would make a model.onnx look like another model.
    """
    use_granted_cpus()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
