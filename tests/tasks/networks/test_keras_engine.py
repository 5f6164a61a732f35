"""A model is loaded only if it is what was registered, and nothing but layers and weights."""

import json
import pickle
import shutil
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from onnx import TensorProto, helper

from tasks import storage
from tasks.errors import JobError
from tasks.networks import ModelVersion, architectures, convert, read_verified, weights_sha256
from tasks.networks.archive import load_model
from tasks.networks.engines import OnnxClassifier, load_classifier


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    architectures.build_cnn(3, 32, 0.1).save(path)
    return path


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copy(trained, tmp_path / "model.keras"))


def rewrite(path: Path, name: str, data: bytes) -> Path:
    """Replace one member of an archive, or add it."""
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()} | {name: data}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return path


def compress(path: Path, name: str, data: bytes) -> Path:
    """Replace one member of an archive by one that is compressed."""
    rewrite(path, name, b"")
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()} | {name: data}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content, zipfile.ZIP_DEFLATED if member == name else None)
    return path


@contextmanager
def little_memory(most: int = 8 * 2**20) -> Iterator[None]:
    """Fail where the block takes more than `most` bytes of memory at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def check_refused(path: Path, *words: str) -> None:
    with pytest.raises(JobError) as error:
        load_model(str(path), None)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in (*words, "Received", "train or restore")), error.value


def test_a_model_of_ours_is_loaded_and_one_whose_bytes_changed_is_not(model: Path):
    sha256 = storage.sha256(model.read_bytes())
    assert load_model(str(model), sha256).output_shape == (None, 3)
    rewrite(model, "metadata.json", b"{}")
    with pytest.raises(JobError, match=f"sha256.*{sha256[:12]}.*Received.*restore"):
        load_model(str(model), sha256)


@pytest.mark.parametrize("function", [lambda images: images, keras.ops.relu], ids=["lambda", "of Keras"])
def test_a_lambda_layer_is_refused_whatever_it_calls(tmp_path: Path, function):
    path = tmp_path / "model.keras"
    numbers = keras.Input((4,))
    keras.Model(numbers, keras.layers.Lambda(function)(numbers)).save(path)
    check_refused(path, "may run code", "'Lambda'")


@pytest.mark.parametrize("name", ["system", ["system"], {"system": 1}, None])
def test_layers_that_are_not_ours_are_refused(model: Path, name: object):
    with zipfile.ZipFile(model) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][1] |= {"module": "os", "class_name": name, "config": {}}
    check_refused(rewrite(model, "config.json", json.dumps(config).encode()), f"{name!r} of 'os'")


def test_what_is_no_keras_archive_is_refused(model: Path):
    model.write_bytes(pickle.dumps({"weights": [1.0]}))
    check_refused(model, "Keras 3 archive")
    model.unlink()
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(model.with_suffix(".h5"))
    check_refused(model.with_suffix(".h5").rename(model), "Keras 3 archive")


def test_an_archive_with_more_in_it_is_refused(model: Path):
    check_refused(rewrite(model, "assets/layer/state.pkl", pickle.dumps(1)), "no more", "state.pkl")


def test_weights_that_lie_in_other_files_are_refused(model: Path, tmp_path: Path):
    with zipfile.ZipFile(model) as archive:
        archive.extract("model.weights.h5", tmp_path)
    weights = tmp_path / "model.weights.h5"
    other = Path(shutil.copy(weights, tmp_path / "other.h5"))
    with h5py.File(weights, "r+") as file:
        del file["layers"]
        file["layers"] = h5py.ExternalLink(str(other), "layers")
    check_refused(rewrite(model, "model.weights.h5", weights.read_bytes()), "loaded by Keras")


@pytest.mark.parametrize("folder", ["", "../" * 20 + "{here}/"])
def test_an_onnx_model_has_no_other_file_read_as_its_weights(tmp_path: Path, monkeypatch, folder: str):
    """By default ONNX Runtime reads what lies below the working folder, that of workers is the root."""
    monkeypatch.chdir(tmp_path if not folder else "/")
    (tmp_path / "secret").write_bytes(b"secret!!")
    tensor = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[1, 8], data_location=1)
    location = f"{folder.format(here=str(tmp_path)[1:])}secret"
    for key, value in (("location", location), ("length", "8")):
        tensor.external_data.add(key=key, value=value)
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, [1, 8]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", ends[:1], ends[1:], [tensor])
    opset = [helper.make_opsetid("", 17)]
    with pytest.raises(JobError, match=r"weights inside.*External data path"):
        OnnxClassifier(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_few_bytes_that_would_become_many_are_not_inflated(model: Path, name: str):
    compress(model, name, b" " * 100 * 2**20)
    with little_memory():
        check_refused(model, "be whole", "compressed")
        assert weights_sha256(str(model)) is None


def test_weights_that_would_become_many_are_no_weights(model: Path, tmp_path: Path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_dataset("weights", (100 * 2**20,), np.uint8, chunks=True, compression="gzip")
    rewrite(model, "model.weights.h5", (tmp_path / "weights.h5").read_bytes())
    with little_memory():
        assert weights_sha256(str(model)) is None


def test_a_model_larger_than_any_of_ours_is_not_read(model: Path, monkeypatch):
    monkeypatch.setattr("tasks.networks.archive.MOST_BYTES", 1000, raising=False)
    with pytest.raises(JobError, match=r"at most.*Received.*restore"):
        load_model(str(model), None)
    with pytest.raises(JobError, match=r"at most.*Received.*restore"):
        read_verified(str(model), storage.sha256(model.read_bytes()))


def broken(model: Path, how: str) -> bytes:
    """A broken archive: cut short, changed in a member, locked by a password, or nested too deep."""
    nested = {"nested": b"[" * 10**6, "no text": b"\xff\xfe{", "empty": b""}
    if how in nested:
        return rewrite(model, "config.json", nested[how]).read_bytes()
    data = bytearray(model.read_bytes())
    start = data.index(b"config.json")
    if how == "changed":
        data[start + 200] ^= 1
    elif how == "cut":
        del data[start + 100 : start + 200]
    else:
        flags = data.rindex(b"PK\x01\x02", 0, data.rindex(b"config.json")) + 8
        data[flags] |= 1
    return bytes(data)


@pytest.mark.parametrize("how", ["changed", "cut", "locked", "nested", "no text", "empty"])
def test_a_broken_archive_is_refused_in_one_line(model: Path, how: str):
    model.write_bytes(broken(model, how))
    check_refused(model, "model.keras must")


def test_a_model_that_is_gone_is_told_in_one_line(tmp_path: Path):
    with pytest.raises(JobError, match="must have its model"):
        load_model(str(tmp_path / "model.keras"), None)


def test_a_model_of_other_classes_than_its_record_names_is_refused(trained: Path):
    sha256 = storage.sha256(trained.read_bytes())
    version = ModelVersion("v1", "cnn", str(trained.parent), sha256, ("a", "b"), 32, 1.0)
    with pytest.raises(JobError, match=r"as many values as it has classes, 2. Received 3"):
        load_classifier(version)


def test_a_conversion_leaves_nothing_in_the_temporary_folder(trained: Path, tmp_path: Path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    model = keras.models.load_model(trained)
    model(np.zeros((1, 32, 32, 3), np.uint8))
    for format, name in convert.NAMES.items():
        convert.convert(model, format, tmp_path / name)
    assert [path for path in (tmp_path / "tmp").rglob("*") if not path.name.startswith("darkroom-")] == []
