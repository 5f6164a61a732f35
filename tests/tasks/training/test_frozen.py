"""The frozen part is computed by the fastest engine at hand, and alike by each."""

import numpy as np
import pytest

from tasks.errors import JobError
from tasks.networks import OnnxClassifier, architectures, convert
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
    whole = architectures.build_mobilenet_v2(2, SIZE)
    architectures.settle_batch_norm(whole, images)
    frozen = architectures.frozen_part(whole, activations=True)
    if failing:
        monkeypatch.setattr(convert if failing == "onnx_bytes" else frozen_module, failing, fail)
    forward = forward_here(frozen)
    assert isinstance(getattr(forward, "__self__", None), OnnxClassifier) == (not failing)
    for expected, output in zip(frozen(images), forward(images), strict=True):
        # Random weights, settled on five images, enlarge what rounding differs by.
        assert np.abs(output - expected).max() < 2e-3 * np.abs(expected).max()
