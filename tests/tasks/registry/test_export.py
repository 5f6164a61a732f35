"""An exported model gives the answers of the original, or is not used."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from tasks import storage
from tasks.errors import InputError, JobError
from tasks.networks import convert
from tasks.networks.engines import OnnxClassifier, load_classifier
from tasks.networks.keras_engine import TensorflowClassifier
from tasks.registry import export
from tasks.registry.versions import read_version
from tests.untrained import CLASSES, untrained_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return untrained_store(tmp_path_factory.mktemp("store"), "mobilenet_v2", size_px=64)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return untrained_store(tmp_path_factory.mktemp("small"), "cnn", size_px=32)


def pictures(count: int, size_px: int = 64) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (count, size_px, size_px, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [0, 1, 100])
def test_both_engines_say_the_same(store: str, count: int):
    version = read_version(store, "champion")
    onnx = load_classifier(version)
    assert isinstance(onnx, OnnxClassifier)
    original = TensorflowClassifier(storage.model_url(version.folder_url))
    answers, expected = onnx.predict(pictures(count)), original.predict(pictures(count))
    assert answers.shape == expected.shape == (count, 6)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def by_savedmodel(path: Path, images: np.ndarray) -> np.ndarray:
    model = tf.saved_model.load(str(path / "saved_model"))
    return model.serve(images).numpy()


def by_litert(path: Path, images: np.ndarray) -> np.ndarray:
    interpreter = tf.lite.Interpreter(str(path / "model.tflite"))
    [image_input], [output] = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(image_input["index"], images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(image_input["index"], images)
    interpreter.invoke()
    return interpreter.get_tensor(output["index"])


def by_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(path / "model.onnx").run(None, {"image": images})[0]


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter")
@pytest.mark.parametrize(
    ("format", "read"), [("savedmodel", by_savedmodel), ("litert", by_litert), ("onnx", by_onnx)]
)
def test_other_programs_get_the_same_answers(small: str, tmp_path: Path, format, read):
    exported = export.export_version(small, "v1", format, tmp_path / "new" / "out")
    assert (exported.real, exported.images, exported.same) == (False, export.NOISE_IMAGES, 1.0)
    original = TensorflowClassifier(storage.model_url(read_version(small, "v1").folder_url))
    images = pictures(5, 32)
    answers = read(tmp_path / "new" / "out", images)
    np.testing.assert_allclose(answers, original.predict(images), atol=1e-5)
    assert (tmp_path / "new" / "out" / "labels.txt").read_text().split() == list(CLASSES)
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "out"]


def test_an_export_that_answers_otherwise_leaves_nothing(small: str, tmp_path: Path, monkeypatch):
    answers = convert.run_onnx
    monkeypatch.setitem(convert.RUN, "onnx", lambda path, images: np.roll(answers(path, images), 1, axis=1))
    with pytest.raises(JobError, match=r"Received a difference of .* alike for onnx"):
        export.export_version(small, "v1", "onnx", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_exported_over_what_is_there(small: str, tmp_path: Path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InputError, match="new or empty"):
        export.export_version(small, "v1", "onnx", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_onnx_that_answers_otherwise_is_left_out(small: str, tmp_path: Path, monkeypatch):
    shutil.copy(storage.model_url(read_version(small, "v1").folder_url), tmp_path)
    monkeypatch.setattr(convert, "LARGEST_DIFFERENCE", -1.0)
    assert not convert.export_onnx(str(tmp_path), pictures(4, 32))
    assert storage.names(str(tmp_path)) == ["model.keras"]


def test_a_registered_version_is_not_written_again(small: str):
    folder = read_version(small, "v1").folder_url
    before = storage.read_bytes(storage.onnx_url(folder))
    with pytest.raises(JobError, match="never rewritten"):
        convert.export_onnx(folder, pictures(4, 32))
    assert storage.read_bytes(storage.onnx_url(folder)) == before


def test_an_export_that_was_tampered_with_is_refused(store: str):
    version = read_version(store, "champion")
    onnx = Path(storage.onnx_url(version.folder_url))
    before = onnx.read_bytes()
    onnx.write_bytes(before + b" ")
    load_classifier.cache_clear()
    with pytest.raises(JobError, match="sha256"):
        load_classifier(version)
    onnx.write_bytes(before)
