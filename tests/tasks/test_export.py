"""An exported model gives the answers of the original, or is not used."""

from pathlib import Path

import numpy as np
import pytest

from tasks import export
from tasks.classifier import TensorflowClassifier
from tasks.engines import OnnxClassifier, load_classifier
from tasks.errors import JobError
from tasks.registry import read_version
from tests.stores import untrained_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return untrained_store(tmp_path_factory.mktemp("store"), "mobilenet_v2", size_px=64)


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [0, 1, 100])
def test_both_engines_say_the_same(store: str, count: int):
    version = read_version(store, "champion")
    onnx = load_classifier(version)
    assert isinstance(onnx, OnnxClassifier)
    ours, theirs = onnx.predict(pictures(count)), TensorflowClassifier(version.uri).predict(pictures(count))
    assert ours.shape == theirs.shape == (count, 6)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_an_export_that_answers_otherwise_is_left_out(store: str, monkeypatch: pytest.MonkeyPatch):
    uri = read_version(store, "champion").uri
    onnx = Path(uri).with_name("model.onnx")
    before = onnx.read_bytes()
    onnx.unlink()
    monkeypatch.setattr(export, "LARGEST_DIFFERENCE", -1.0)
    assert not export.export_onnx(uri, pictures(4))
    assert not onnx.exists()
    onnx.write_bytes(before)


def test_an_export_that_was_tampered_with_is_refused(store: str):
    version = read_version(store, "champion")
    onnx = Path(version.uri).with_name("model.onnx")
    before = onnx.read_bytes()
    onnx.write_bytes(before + b" ")
    load_classifier.cache_clear()
    with pytest.raises(JobError, match="sha256"):
        load_classifier(version)
    onnx.write_bytes(before)
