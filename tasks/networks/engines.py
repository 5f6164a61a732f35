"""Runs a model in bulk: with ONNX Runtime on CPUs if the version has a model.onnx, else with TensorFlow."""

import functools
import os
import platform
import sys
from pathlib import Path
from typing import Protocol

# Else it reports to its maker, and leaves a file of one name for all users in the temporary folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime

from tasks import storage
from tasks.errors import JobError
from tasks.networks.archive import read_verified, reason_of
from tasks.networks.threads import granted_cpus, has_granted_gpu
from tasks.networks.version import BATCH, ModelVersion
from tasks.parameters import Engine

CPUINFO = Path("/proc/cpuinfo")
INT8_FLAGS = {"avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm"}  # of x86 and ARM, as Linux calls them
ONNX_BATCH = 8  # images that fit the cache of a core: a quarter faster than 64 for MobileNetV2
# Of a model whose weights do not fit, since each batch reads them anew: for the CNN an eighth faster than 8.
LARGE_BYTES, LARGE_BATCH = 2**24, 32
# Where weights of other files may lie, by default below the working folder, which is the root: a model could
# have any file of this machine read as its weights, and answer with them.
FOLDER_OF_WEIGHTS = "session.model_external_initializers_file_folder_path"


class Classifier(Protocol):
    """Predicts probabilities float32 [n, classes] of images uint8 [n, size_px, size_px, 3].

    engine: name and version of the software that runs the model. width: how many classes it tells apart.
    batch: how many images it is best given at once.
    look: probabilities, and beside them what the head sees of the images, float32 [n, features]; None by a
    model.onnx of an older Darkroom, which does not give it.
    """

    engine: str
    width: int
    batch: int

    def predict(self, images: np.ndarray) -> np.ndarray: ...

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]: ...


class OnnxClassifier:
    """A model.onnx (its bytes) in ONNX Runtime, on as many threads as Ray granted.

    width: the number of values it predicts per image. Raises JobError for a broken file, or one with weights
    in other files.
    """

    batch = BATCH

    def __init__(self, model: bytes, engine: Engine = "exact"):
        self.engine = f"onnxruntime {onnxruntime.__version__}{'' if engine == 'exact' else f' {engine}'}"
        self._batch = ONNX_BATCH if len(model) < LARGE_BYTES else LARGE_BATCH  # the answers are the same
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = granted_cpus() or 0
        options.inter_op_num_threads = 1
        options.add_session_config_entry(FOLDER_OF_WEIGHTS, os.devnull)
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            [self._input] = self._session.get_inputs()
            self.width = self._session.get_outputs()[0].shape[1]
        except Exception as error:  # of many kinds that onnxruntime does not export
            raise JobError(
                f"model.onnx must be whole, its weights inside. Received: {reason_of(error)}"
            ) from error

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self.outputs(images)[0]

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        probabilities, *more = self.outputs(images)
        return probabilities, more[0] if more else None

    def outputs(self, images: np.ndarray) -> list[np.ndarray]:
        """All outputs of the model, each [n, ...]."""
        starts = range(0, len(images), self._batch)
        batches = [images[start : start + self._batch] for start in starts]
        chunks = [self._session.run(None, {self._input.name: batch}) for batch in batches]
        if not chunks:
            return [np.empty((0, *output.shape[1:]), np.float32) for output in self._session.get_outputs()]
        return [np.concatenate(outputs) for outputs in zip(*chunks, strict=True)]


@functools.lru_cache(maxsize=1)
def load_classifier(model: ModelVersion) -> Classifier:
    """Load the classifier of a version; a worker process keeps the last one it loaded.

    Raises JobError when the model's bytes are not those that were registered.
    """
    classifier: Classifier
    if model.engine == "int8" and model.int8:
        data = read_verified(storage.int8_url(model.folder_url), model.int8.sha256)
        classifier = OnnxClassifier(data, "int8")
    elif model.onnx_sha256 and not has_granted_gpu():
        classifier = OnnxClassifier(read_verified(storage.onnx_url(model.folder_url), model.onnx_sha256))
    else:
        from tasks.networks.keras_engine import TensorflowClassifier, use_granted_resources

        use_granted_resources()
        classifier = TensorflowClassifier(storage.model_url(model.folder_url), model.sha256)
    if classifier.width != len(model.classes):
        raise JobError(
            f"A model must predict as many values as it has classes, {len(model.classes)}. "
            f"Received {classifier.width} by {model.version!r}: restore the version."
        )
    return classifier


def at_hand(model: ModelVersion, engine: Engine) -> ModelVersion:
    """A version as this machine classifies with it: by int8 where that is asked for and gains something here.

    Told by the processor, not by a stopwatch: run again, the same files get the same rows.
    """
    return model.by_int8() if engine == "int8" and multiplies_int8() else model


@functools.cache
def multiplies_int8() -> bool:
    """Whether the processor has instructions for products of eight bits; without, floats are faster."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"  # Apple's processors all have them
    try:
        flags = set(CPUINFO.read_text().split())
    except OSError:
        return False
    return not flags.isdisjoint(INT8_FLAGS)
