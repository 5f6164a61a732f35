"""The frozen part is computed by the fastest engine at hand, and alike by each."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.errors import JobError
from tasks.networks import OnnxClassifier, architectures, convert, keras_engine
from tasks.parameters import Augmentation
from tasks.training import frozen as frozen_module
from tasks.training.frozen import forward_here

SIZE = 32


@pytest.mark.parametrize("failing", ["", "onnx_bytes", "OnnxClassifier"])
def test_the_frozen_part_gives_the_same_by_onnx_runtime_as_by_tensorflow(
    failing: str, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise JobError("no such operator")

    images = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)
    keras.utils.set_random_seed(0)
    whole = architectures.build_mobilenet_v2(2, SIZE)
    architectures.settle_batch_norm(whole, images)
    frozen = architectures.frozen_part(whole, activations=True)
    if failing:
        monkeypatch.setattr(convert if failing == "onnx_bytes" else frozen_module, failing, fail)
    forward = forward_here(frozen)
    assert isinstance(getattr(forward, "__self__", None), OnnxClassifier) == (not failing)
    for expected, output in zip(frozen(images), forward(images), strict=True):
        # Random weights, settled on five images, enlarge what rounding differs by.
        assert np.abs(output - expected).max() < 1e-2 * np.abs(expected).max()


class Noise:
    """A split of random images."""

    def __init__(self, count: int):
        self._images = np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)

    def take(self, indices: np.ndarray) -> np.ndarray:
        return self._images[indices]


def test_a_gpu_computes_the_same_of_larger_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without a GPU: TensorFlow on the processors, told that it has one whose memory holds 128 images."""
    split, rows, varied = Noise(150), np.arange(150), Augmentation(flip=True, shift=0.1)
    keras.utils.set_random_seed(0)
    whole = architectures.build_mobilenet_v2(2, SIZE)
    architectures.settle_batch_norm(whole, split.take(rows))
    frozen = architectures.frozen_part(whole, activations=False)
    seen: list[int] = []
    take = split.take
    monkeypatch.setattr(split, "take", lambda indices: seen.append(len(indices)) or take(indices))
    monkeypatch.setattr(keras_engine, "GPU_PIXELS", 128 * SIZE**2)
    computed = []
    for devices, batch in (((), 64), (("GPU:0",), 128)):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda _, devices=devices: list(devices))
        forward_here.cache_clear()
        url = str(tmp_path / f"{batch}.npy")
        frozen_module._compute(frozen, split, rows, 2, varied, 0, [url])
        assert set(seen) == {batch}
        seen.clear()
        computed.append(np.load(url).astype(np.float32))
    assert computed[0].shape == (2, 150, frozen.outputs[0].shape[1])
    assert np.abs(computed[0] - computed[1]).max() < 1e-2 * np.abs(computed[0]).max()
