"""What runs a model in bulk: ONNX Runtime on CPUs, where the version has been exported, else TensorFlow."""

import functools
from typing import Protocol

import numpy as np
import onnxruntime
import ray

from tasks import storage
from tasks.errors import JobError
from tasks.networks.archive import checked
from tasks.networks.threads import granted_cpus
from tasks.networks.version import ModelVersion

ONNX_BATCH = 8  # what a core's cache holds: a quarter faster than 64 for MobileNetV2


class Classifier(Protocol):
    """Probabilities float32 [n, classes] of images uint8 [n, size_px, size_px, 3]; `engine` names itself."""

    engine: str

    def predict(self, images: np.ndarray) -> np.ndarray: ...


class OnnxClassifier:
    """An exported model in ONNX Runtime, on as many threads as Ray granted."""

    engine = f"onnxruntime {onnxruntime.__version__}"

    def __init__(self, model: bytes):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = granted_cpus() or 0
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of many kinds without a name: broken, or with weights in other files
            reason = str(error).splitlines()[0]
            raise JobError(f"model.onnx must be whole, its weights inside. Received: {reason}") from error
        [self._input] = self._session.get_inputs()
        self.width = self._session.get_outputs()[0].shape[1]

    def predict(self, images: np.ndarray) -> np.ndarray:
        chunks = [
            self._session.run(None, {self._input.name: images[start : start + ONNX_BATCH]})[0]
            for start in range(0, len(images), ONNX_BATCH)
        ]
        return np.concatenate(chunks) if chunks else np.empty((0, self.width), np.float32)


@functools.lru_cache(maxsize=1)
def load_classifier(model: ModelVersion) -> Classifier:
    """The classifier of this worker process, loaded the first time it is asked for.

    Raises JobError when the model's bytes are not those that were registered.
    """
    if model.onnx_sha256 and not (ray.is_initialized() and ray.get_gpu_ids()):
        return OnnxClassifier(checked(storage.onnx_url(model.folder_url), model.onnx_sha256))
    from tasks.networks.keras_engine import TensorflowClassifier, use_what_was_granted

    use_what_was_granted()
    return TensorflowClassifier(storage.model_url(model.folder_url), model.sha256)
