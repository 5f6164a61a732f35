"""The main job on a real Prefect API and a real Ray."""

import os
import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from prefect.artifacts import Artifact

from flows.classify import classify
from flows.explore import explore
from flows.retrain import retrain
from tasks import storage
from tasks.dataset import list_images
from tasks.errors import InputError, JobError
from tasks.parameters import Data
from tasks.registry.gate import promote_by_hand
from tasks.registry.promotions import champion, read_promotions
from tasks.registry.versions import package_versions, read_record
from tasks.registry.witness import witness_champion
from tasks.storage import Run, at_work
from tasks.training.history import read_history
from tests.conftest import EPOCHS, OPEN, SMALL
from tests.untrained import settled_base

VERSION_FILES = ("model.keras", "model.onnx", "model.json", "card.md")


def test_a_retraining_writes_what_it_promises(retrained: Run, sample: Path):
    summary = storage.read_json(storage.summary_url(retrained.folder_url))
    counts = summary["dataset"]["counts"]
    assert summary["dataset"]["classes"] == sorted(
        path.name for path in (sample / "seg_test/seg_test").iterdir()
    )
    assert counts["test"] == len(list(sample.glob("seg_test/seg_test/*/*")))
    assert counts["train"] + counts["val"] + 2 == len(list(sample.glob("seg_train/seg_train/*/*")))
    assert summary["dataset"]["bad"] == 1
    assert (summary["dataset"]["leaked"], summary["dataset"]["leaking"]) == (1, 0)
    for kind, model in summary["models"].items():
        assert {"parameters", "epochs", "seconds", "images_per_second", "precision"} <= set(model)
        assert model["test"]["low"] <= model["test"]["accuracy"] <= model["test"]["high"]
        history = read_history(storage.history_url(retrained.kind_url(kind)))
        assert [row["epoch"] for row in history] == list(range(1, EPOCHS + 1))
        assert storage.exists(retrained.picture_url(f"{kind}/confusion.png"))
        evidence = storage.read_arrays(storage.evidence_url(retrained.kind_url(kind)))["evidence"]
        assert evidence.shape[1] == 2
        assert np.isfinite(evidence).all()
    page = storage.read_bytes(storage.report_url(retrained.folder_url)).decode()
    assert "data:image/png;base64" in page
    assert len(page) < 5_000_000
    assert 'href="../../index.html"' in page
    overview = storage.read_bytes(storage.join(retrained.store, "index.html")).decode()
    assert f'href="runs/{retrained.name}/report.html"' in overview
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_champion_is_a_version_that_can_be_traced(retrained: Run):
    summary = storage.read_json(storage.summary_url(retrained.folder_url))
    assert summary["champion"]["promoted"]
    record = read_record(retrained.store, "champion")
    assert record["version"] == summary["champion"]["version"] == champion(retrained.store)
    assert record["dataset"] == summary["dataset"]["fingerprint"]
    assert record["leakage"] == {"leaked": 1, "leaking": 0}
    assert record["versions"] == package_versions()
    assert record["sha256"] == storage.sha256(storage.read_bytes(f"{retrained.store}/{record['uri']}"))


def test_the_ui_gets_a_summary_tables_and_progress(retrained: Run):
    for key in ("retrain-summary", "cnn-classes", "mobilenet-v2-classes", "train-cnn", "decode"):
        assert Artifact.get(key), f"no artifact {key}"


def test_a_second_run_decodes_nothing_and_must_beat_the_champion(retrained: Run, sample: Path):
    before = champion(retrained.store)
    again = retrain(
        str(sample), retrained.store, SMALL.model_copy(update={"models": ("cnn",), "epochs": 1}), OPEN
    )
    summary = storage.read_json(storage.summary_url(again.folder_url))
    assert summary["dataset"]["decoded"] == 0
    verdict = summary["champion"]
    assert "than the champion" in verdict["reason"]
    compared = verdict["comparison"]
    assert sum(row["images"] for row in compared["per_class"]) == compared["images"] == 13
    assert [rule["passed"] for rule in verdict["rules"][:4]] == [True] * 4
    assert verdict["promoted"] == (compared["only_second"] > compared["only_first"])
    assert champion(retrained.store) == (verdict["version"] if verdict["promoted"] else before)


class Trains(Exception):
    """Ends a retraining where it would begin to work."""


def test_with_nothing_new_nothing_is_trained_unless_it_is_forced(
    retrained: Run, sample: Path, one_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def work(*_: object) -> None:
        raise Trains

    monkeypatch.setattr("flows.retrain.examine", work)
    store = shutil.copytree(retrained.store, tmp_path / "store")
    for later in set((store / "runs").iterdir()) - {store / "runs" / retrained.name}:
        shutil.rmtree(later)  # other tests' runs
    files = set(store.rglob("*"))
    state = retrain(str(sample), str(store), SMALL, OPEN, return_state=True)
    assert state.is_completed()
    assert state.message == f"Nothing new since {retrained.name}"
    assert retrain(str(sample), str(store), SMALL, OPEN) == Run(retrained.name, str(store))
    assert set(store.rglob("*")) == files
    with pytest.raises(Trains):
        retrain(str(sample), str(store), SMALL, OPEN, force=True)


def test_resuming_a_finished_run_neither_trains_nor_writes_its_versions_again(retrained: Run, sample: Path):
    version = retrained.version_url("cnn")
    files = [
        storage.training_url(retrained.kind_url("cnn")),
        *(f"{version}/{name}" for name in VERSION_FILES),
    ]
    before = [(storage.read_bytes(file), os.stat(file).st_mtime_ns) for file in files]
    assert retrain(str(sample), retrained.store, SMALL, OPEN, resume=retrained.name) == retrained
    assert [(storage.read_bytes(file), os.stat(file).st_mtime_ns) for file in files] == before
    other = SMALL.model_copy(update={"seed": 1})
    with pytest.raises(InputError, match="seed"):
        retrain(str(sample), retrained.store, other, resume=retrained.name)
    with pytest.raises(InputError, match=retrained.name):
        retrain(str(sample), retrained.store, SMALL, resume="no-such-run")


def test_a_run_that_is_at_work_is_not_resumed_beside_it(retrained: Run, sample: Path):
    with at_work(retrained), pytest.raises(InputError, match=f"held by process {os.getpid()} on "):
        retrain(str(sample), retrained.store, SMALL, OPEN, resume=retrained.name)


def decoded_parts(store: str) -> list[str]:
    return sorted(str(path) for path in Path(store).glob("datasets/*/shards/*"))


@pytest.mark.parametrize(
    "mistake", ["workers", "no weights", "other weights", "resumed parameters", "images"]
)
def test_what_can_be_known_at_once_is_told_before_anything_is_decoded(
    mistake: str, retrained: Run, sample: Path, tmp_path: Path, one_ray: None
):
    images, store, resume, training = str(sample), str(tmp_path / "store"), None, SMALL
    weights = tmp_path / "base.h5"
    if mistake == "workers":
        training, complaint = SMALL.model_copy(update={"workers": 64}), "64 workers"
    elif mistake == "no weights":
        weights.write_text("<!DOCTYPE html>")
        training, complaint = SMALL.model_copy(update={"weights": str(weights)}), "that Keras wrote"
    elif mistake == "other weights":
        with h5py.File(weights, "w") as file:
            file["x"] = [1.0]
        training, complaint = SMALL.model_copy(update={"weights": str(weights)}), "could not be loaded"
    else:
        store, resume = retrained.store, retrained.name
        if mistake == "images":
            images, complaint = str(shutil.copytree(sample, tmp_path / "other")), "images it began with"
        else:
            training, complaint = SMALL.model_copy(update={"image_size": 40}), "image_size"
    before = decoded_parts(store)
    with pytest.raises((InputError, JobError), match=complaint):
        retrain(images, store, training, resume=resume)
    assert decoded_parts(store) == before


def test_exploring_audits_and_checks_labels_without_a_test_split(
    sample: Path, store: str, one_ray: None, tmp_path: Path
):
    images, weights = tmp_path / "images", settled_base(tmp_path / "base.weights.h5", SMALL.image_size)
    for number, folder in enumerate(sample.glob("seg_t*/seg_t*/*")):
        shutil.copytree(folder, images / folder.name / str(number))
    report = explore(str(images), store, weights, Data(test_share=0))
    page = storage.read_bytes(report).decode()
    assert "sea" in page
    assert "Labels were not checked" not in page
    [run] = storage.names(storage.join(store, "runs"))
    labels = storage.read_json(storage.join(store, "runs", run, "labels.json"))
    suspects = Path(store, "runs", run, "wrong_labels.csv").read_text().splitlines()[1:]
    assert labels["checked"] > 50
    assert len(suspects) == labels["suspected"]
    [dataset] = storage.names(storage.join(store, "datasets"))
    assert "labels" not in storage.read_json(storage.join(store, "datasets", dataset, "audit.json"))
    listed = pq.read_table(storage.join(store, "datasets", dataset, "manifest.parquet"))
    assert len(listed) == len(list(images.glob("*/*/*")))


@pytest.mark.parametrize("lost", ["nothing", "the verdict", "verdict and summary"])
def test_a_resumed_run_does_not_overrule_a_person(
    lost: str, retrained: Run, sample: Path, tmp_path: Path, one_ray: None
):
    """Killed before it wrote its verdict, a run finds it in the log; one of an older store in its summary."""
    store = str(shutil.copytree(retrained.store, tmp_path / "store"))
    run, present = Run(retrained.name, store), champion(store)
    [other] = {run.version(kind) for kind in ("cnn", "mobilenet_v2")} - {present}
    if lost != "nothing":
        storage.remove(run.verdict_url)
    if lost == "verdict and summary":
        storage.remove(storage.summary_url(run.folder_url))
    promote_by_hand(store, other, "it knows the new camera")
    entries = read_promotions(store)
    retrain(str(sample), store, SMALL, OPEN, resume=run.name)
    assert (champion(store), read_promotions(store)) == (other, entries)
    verdict = storage.read_record(storage.summary_url(run.folder_url))["champion"]
    assert (verdict["version"], verdict["promoted"], verdict["previous"]) == (present, True, None)


def test_a_refused_run_stays_refused_when_it_is_resumed(retrained: Run, sample: Path, tmp_path: Path):
    store = str(shutil.copytree(retrained.store, tmp_path / "store"))
    run = Run(retrained.name, store)
    storage.remove(storage.promotions_url(store))
    record = storage.read_record(run.verdict_url)
    storage.write_record(run.verdict_url, record | {"promoted": False, "reason": "recall of sea is too low"})
    retrain(str(sample), store, SMALL, OPEN, resume=run.name)
    assert champion(store) is None


def test_a_resumed_run_reads_what_it_read_before_though_unreadable_files_can_be_read_by_now(
    retrained: Run, sample: Path, tmp_path: Path
):
    store = Path(shutil.copytree(retrained.store, tmp_path / "store"))
    dataset = store / "datasets" / storage.read_json(retrained.record_url)["dataset"]
    for path in (dataset / "index.parquet", *dataset.glob("shards/*.parquet")):
        table = pq.read_table(path)
        column = table.column_names.index("status")
        statuses = [status.replace("corrupt", "unreadable") for status in table["status"].to_pylist()]
        pq.write_table(table.set_column(column, "status", [statuses]), path)
    marker = storage.read_json(str(dataset / "_SUCCESS"))
    storage.write_json(str(dataset / "_SUCCESS"), marker | {"unreadable": 1})
    fresh = list_images.fn(str(sample), str(store), SMALL.image_size, SMALL.val_share)
    assert fresh.fingerprint != dataset.name

    files = [path for path in dataset.rglob("*.*") if path.name != "audit.json"]
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in files]
    retrain(str(sample), str(store), SMALL, OPEN, resume=retrained.name)
    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in files] == before
    summary = storage.read_json(storage.summary_url(storage.join(str(store), "runs", retrained.name)))
    assert summary["dataset"]["fingerprint"] == dataset.name


def test_no_file_of_a_store_says_where_it_lies_so_that_it_can_be_moved(retrained: Run):
    files = [path for path in Path(retrained.store).rglob("*") if path.is_file()]
    place = retrained.store.encode()
    assert [path.name for path in files if place in path.read_bytes()] == []


def test_a_store_that_had_a_champion_is_not_begun_anew_where_its_disk_is_not_mounted(
    retrained: Run, sample: Path, tmp_path: Path, one_ray: None, monkeypatch: pytest.MonkeyPatch
):
    store = str(shutil.copytree(retrained.store, tmp_path / "store"))
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "nightly")
    witness_champion(store)
    shutil.move(store, tmp_path / "unmounted")
    for flow in (retrain, explore, classify):
        with pytest.raises(InputError, match=f"knew one there, {champion(retrained.store)}.*mounted"):
            flow(str(sample), store)
    assert not storage.exists(store)
    shutil.move(tmp_path / "unmounted", store)
    witness_champion(store)


@pytest.mark.slow
def test_a_new_class_is_left_out_while_it_is_too_small_and_stops_no_promotion_once_it_is_not(
    sample: Path, store: str, tmp_path: Path, one_ray: None
):
    images = Path(shutil.copytree(sample, tmp_path / "images"))
    quick = SMALL.model_copy(update={"models": ("cnn",), "epochs": 1})
    gate = OPEN.model_copy(update={"worse_p_value": 1e-9})
    first = retrain(str(images), store, quick, gate)
    source, target = (images / "seg_train/seg_train" / name for name in ("sea", "fog"))
    random = np.random.default_rng(0)
    target.mkdir()
    for number in range(len(list(source.iterdir()))):
        cv2.imwrite(str(target / f"{number}.png"), random.integers(0, 255, (60, 60, 3), np.uint8))
    second = retrain(str(images), store, quick, gate)
    summary = storage.read_json(storage.summary_url(second.folder_url))
    assert summary["dataset"]["left_out_classes"] == {"fog": "no test image"}
    assert "left out for want of them: fog (no test image)" in report_of(second)
    assert "fog" not in read_record(store, second.version("cnn"))["classes"]
    (images / "seg_test/seg_test/fog").mkdir()
    cv2.imwrite(str(images / "seg_test/seg_test/fog/t.png"), random.integers(0, 255, (60, 60, 3), np.uint8))
    third = retrain(str(images), store, quick, gate)
    verdict = storage.read_json(storage.summary_url(third.folder_url))["champion"]
    assert (verdict["promoted"], verdict["comparison"]["new_classes"]) == (True, ["fog"])
    assert verdict["previous"] in (first.version("cnn"), second.version("cnn"))
    assert champion(store) == third.version("cnn")


def report_of(run: Run) -> str:
    return storage.read_bytes(storage.report_url(run.folder_url)).decode()
