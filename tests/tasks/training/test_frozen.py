"""The frozen part is computed by the fastest engine at hand, and alike by each."""

import numpy as np
import pytest

from tasks.networks import OnnxClassifier, architectures, convert
from tasks.training.frozen import forward_here

SIZE = 32


@pytest.mark.parametrize("converts", [True, False])
def test_the_frozen_part_gives_the_same_by_onnx_runtime_as_by_tensorflow(
    converts: bool, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise ValueError("no such operator")

    images = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)
    whole = architectures.build_mobilenet_v2(2, SIZE)
    architectures.settle_batch_norm(whole, images)
    frozen = architectures.frozen_part(whole, activations=True)
    if not converts:
        monkeypatch.setattr(convert, "convert", fail)
    forward = forward_here(frozen)
    assert isinstance(getattr(forward, "__self__", None), OnnxClassifier) == converts
    for expected, output in zip(frozen(images), forward(images), strict=True):
        assert np.abs(output - expected).max() < 5e-3 * np.abs(expected).max()
