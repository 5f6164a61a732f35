"""A model in integers of eight bits is offered where it is nearly as right, and taken where it is faster."""

import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnx
import pyarrow.compute as pc
import pytest

from tasks import storage
from tasks.classification.classify import classify_partition
from tasks.classification.rows import read_rows
from tasks.errors import InputError, JobError
from tasks.evaluation import int8
from tasks.evaluation.int8 import compare_int8, measure_int8, why_not
from tasks.networks import ModelVersion, architectures, engines
from tasks.networks.convert import export_onnx
from tasks.networks.keras_engine import TensorflowClassifier
from tests.tasks.classification.test_classify import only_partition
from tests.tasks.dataset.test_parts import SIZE
from tests.tasks.evaluation.test_likeness import noise_of_two_classes
from tests.untrained import BUILD

LABELS = np.arange(1000) % 4


@pytest.fixture(scope="module", params=["cnn", pytest.param("mobilenet_v2", marks=pytest.mark.slow)])
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    """One whose model in integers was kept; all of its likeness is unknown."""
    folder, kind = tmp_path_factory.mktemp("int8"), request.param
    dataset = noise_of_two_classes(folder / "images", str(folder / "store"))
    keras.utils.set_random_seed(0)
    val = dataset.split("val").take(np.arange(120))
    model = BUILD[kind](2, SIZE)
    if kind == "mobilenet_v2":  # else it says the same of all
        architectures.settle_batch_norm(model, val[:32])
    (place := folder / "v").mkdir()
    model.save(place / "model.keras")
    np.save(folder / "val.npy", val)
    assert export_onnx(str(place), val)
    exact = TensorflowClassifier(str(place / "model.keras")).predict(val)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8, "why_not", lambda _: "")  # of images without meaning it knows less, or more
        measured = measure_int8(dataset, str(place), exact, 1.0)
    keras_sha256, onnx_sha256, sha256 = (
        storage.sha256((place / f"model.{ending}").read_bytes()) for ending in ("keras", "onnx", "int8.onnx")
    )
    record = {"version": "v", "kind": kind, "classes": ["a", "b"], "size_px": SIZE, "temperature": 1.0}
    record |= {"sha256": keras_sha256, "onnx_sha256": onnx_sha256, "int8": measured | {"sha256": sha256}}
    return ModelVersion.of(record, str(place))


def test_a_model_in_integers_sees_in_each_image_nearly_what_the_model_sees(version: ModelVersion):
    images = np.load(Path(version.folder_url).parent / "val.npy")[:40]
    exact, features = engines.load_classifier(version).look(images)
    in_integers, of_integers = engines.load_classifier(version.by_int8()).look(images)
    assert not np.array_equal(in_integers, exact)
    nearest = np.square(of_integers[:, None] - features).sum(2).argmin(1)
    assert np.mean(nearest == np.arange(40)) > 0.9


class Pictures:
    """A dataset whose splits are all the same images, of one class."""

    def __init__(self, images: np.ndarray):
        self.images, self.labels = images, np.zeros(len(images), int)

    def __len__(self) -> int:
        return len(self.images)

    def split(self, _: str) -> "Pictures":
        return self

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self.images[rows]


def test_where_integers_cost_too_much_the_last_linear_convolutions_stay_in_float(
    version: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    reasons = iter(["too much", ""])
    monkeypatch.setattr(int8, "why_not", lambda _: next(reasons))
    shutil.copytree(version.folder_url, tmp_path / "v")
    pictures = Pictures(np.load(Path(version.folder_url).parent / "val.npy"))
    exact, _ = engines.load_classifier(version).look(pictures.images)
    measured = measure_int8(pictures, str(tmp_path / "v"), exact, 1.0)
    assert (measured["kept"], measured["sparing"]) == (True, True)
    integers = [
        sum(
            node.op_type == "QuantizeLinear" for node in onnx.load(Path(folder, "model.int8.onnx")).graph.node
        )
        for folder in (version.folder_url, tmp_path / "v")
    ]
    assert 0 < integers[1] < integers[0]


@pytest.mark.parametrize("is_faster", [True, False])
def test_rows_are_made_with_integers_where_the_processor_multiplies_these_and_say_so(
    is_faster: bool, version: ModelVersion, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    flag = "avx512_vnni" if is_faster else "avx2"
    (cpuinfo := tmp_path / "cpuinfo").write_text(f"flags\t\t: sse2 {flag} f16c\n")
    monkeypatch.setattr(engines, "CPUINFO", cpuinfo)
    engines.multiplies_int8.cache_clear()
    version = replace(version, int8=replace(version.int8, temperature=0.01))
    partition = only_partition(sample / "seg_pred", tmp_path / "out", version, engine="int8")
    classify_partition.fn(partition)
    [rows] = read_rows(partition.job)
    good = rows.filter(pc.is_valid(rows["engine"]))
    assert {engine.endswith(" int8") for engine in good["engine"].to_pylist()} == {is_faster}
    assert (np.mean(good["confidence"].to_numpy()) > 0.9) == is_faster  # by a temperature of its own
    engines.multiplies_int8.cache_clear()


def test_it_is_not_kept_where_it_may_cost_more_than_half_a_point(monkeypatch: pytest.MonkeyPatch):
    exact = np.full((1000, 4), 0.02) + 0.92 * np.eye(4)[LABELS]
    a_hair = exact - 0.003 * np.eye(4)[LABELS]
    assert not why_not(compare_int8(exact, a_hair, LABELS))
    unsure = exact - 0.006 * np.eye(4)[LABELS]
    assert "0.60 points" in why_not(compare_int8(exact, unsure, LABELS))
    few_lost = exact.copy()
    few_lost[:6] = few_lost[:6, ::-1]
    result = compare_int8(exact, few_lost, LABELS)
    assert (result["lost"], result["won"]) == (6, 0)
    assert result["cost"] == pytest.approx(0.006 * 0.92)
    monkeypatch.setattr(int8, "MARGIN", 1.0)
    assert "6 right, only int8 0" in why_not(result)


def test_a_version_without_is_refused_in_one_line(version: ModelVersion):
    with pytest.raises(InputError, match=r"its card\.md says why"):
        replace(version, int8=None).by_int8()


def test_other_bytes_than_were_registered_are_refused(version: ModelVersion):
    other = replace(version, int8=replace(version.int8, sha256="0" * 64))
    with pytest.raises(JobError, match="must have the sha256"):
        engines.load_classifier(other.by_int8())
