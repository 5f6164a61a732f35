"""The engines of bulk classification."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tasks.networks import architectures, engines
from tasks.networks.engines import OnnxClassifier
from tasks.networks.keras_engine import TensorflowClassifier
from tasks.networks.predict import look_at_splits
from tasks.networks.version import BATCH
from tests.untrained import noise, untrained_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CNN whose weights fit no cache of a core."""
    return untrained_store(tmp_path_factory.mktemp("engines"), "cnn", 150)


@pytest.mark.slow
def test_answers_are_the_same_to_the_bit_however_many_images_the_model_sees_at_once(store: str, monkeypatch):
    model, images = Path(store, "models/v1/model.onnx").read_bytes(), noise(70, 150)
    assert len(model) > engines.LARGE_BYTES
    many = OnnxClassifier(model).look(images)
    monkeypatch.setattr(engines, "LARGE_BATCH", engines.ONNX_BATCH)
    few = OnnxClassifier(model).look(images)
    assert all(np.array_equal(*pair) for pair in zip(many, few, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["exact", "int8"])
def test_tensorflow_is_not_loaded_where_onnx_runtime_answers(store: str, engine: str):
    code = f"""
import sys
import numpy as np
from tasks.classification import classify_partition
from tasks.networks import load_classifier
from tasks.registry import read_version
version = read_version({store!r}, "champion")
version = version.by_int8() if {engine!r} == "int8" else version
load_classifier(version).look(np.zeros((1, 150, 150, 3), np.uint8))
print("tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_gpu_sees_as_many_images_at_once_as_its_memory_holds_and_answers_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Without a GPU: a memory that holds 256."""
    architectures.build_cnn(3, 32).save(tmp_path / "model.keras")
    on_cpus = TensorflowClassifier(str(tmp_path / "model.keras"))
    assert on_cpus.batch == BATCH
    look_at_batch = TensorflowClassifier._look_at_batch

    def look_at_few(classifier: TensorflowClassifier, batch: tf.Tensor) -> list[np.ndarray]:
        if len(batch) > 256:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return look_at_batch(classifier, batch)

    monkeypatch.setattr(TensorflowClassifier, "_look_at_batch", look_at_few)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: ["GPU:0"])
    on_gpu = TensorflowClassifier(str(tmp_path / "model.keras"))
    assert on_gpu.batch == 256
    for few_or_many in (3, 300, 700):
        images = noise(few_or_many, 32)
        np.testing.assert_allclose(on_gpu.predict(images), on_cpus.predict(images), atol=1e-6)


def test_a_model_is_judged_by_the_engine_that_will_classify_with_it(tmp_path: Path):
    place, images = Path(untrained_store(tmp_path, "tiny", 16), "models/v1"), noise(40, 16)
    other = (place / "model.int8.onnx").read_bytes()  # whose answers are not those of model.keras
    (place / "model.onnx").write_bytes(other)
    split = SimpleNamespace(take=lambda rows: images[rows])
    [(probabilities, _)], _ = look_at_splits(str(place), [(split, np.arange(40))])  # type: ignore[list-item]
    assert np.array_equal(probabilities, OnnxClassifier(other).predict(images))
    assert not np.array_equal(probabilities, TensorflowClassifier(str(place / "model.keras")).predict(images))
