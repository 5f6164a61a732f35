"""A champion that is gone, a model that fails: the report is written and says so, and the rest is judged."""

import shutil
from pathlib import Path

import pytest

from flows.retrain import retrain
from tasks import storage
from tasks.registry.gate import promote_by_hand
from tasks.registry.promotions import champion
from tasks.registry.versions import read_record
from tasks.storage import Run
from tests.conftest import OPEN, SMALL


@pytest.fixture
def unjudged(retrained: Run, tmp_path: Path) -> Run:
    """The retraining, in a copy of its store, before its verdict; its challenger meets the champion v0."""
    run = Run(retrained.name, str(shutil.copytree(retrained.store, tmp_path / "store")))
    version = storage.read_json(run.verdict_url)["version"]
    for url in (run.verdict_url, storage.summary_url(run.folder_url), storage.promotions_url(run.store)):
        storage.remove(url)
    v0 = shutil.copytree(storage.version_url(run.store, version), storage.version_url(run.store, "v0"))
    storage.write_json(f"{v0}/model.json", read_record(run.store, version) | {"version": "v0"})
    promote_by_hand(run.store, "v0")
    return run


def test_the_report_is_written_and_says_so_where_the_champion_is_gone_and_it_is_judged_once_it_is_back(
    unjudged: Run, sample: Path, tmp_path: Path, one_ray: None
):
    v0 = storage.version_url(unjudged.store, "v0")
    shutil.move(v0, tmp_path / "v0")
    retrain(str(sample), unjudged.store, SMALL, OPEN, resume=unjudged.name)
    verdict = storage.read_record(storage.summary_url(unjudged.folder_url))["champion"]
    assert (verdict["promoted"], verdict["previous"]) == (False, "v0")
    assert "the champion v0 could not be judged" in verdict["reason"]
    report = storage.read_bytes(storage.report_url(unjudged.folder_url)).decode()
    assert "champion v0 could not be judged" in report
    assert "record is lost" in storage.read_bytes(storage.overview_url(unjudged.store)).decode()
    assert champion(unjudged.store) == "v0"

    shutil.move(tmp_path / "v0", v0)
    retrain(str(sample), unjudged.store, SMALL, OPEN, resume=unjudged.name)
    verdict = storage.read_record(storage.summary_url(unjudged.folder_url))["champion"]
    assert (verdict["promoted"], verdict["is_final"]) == (False, True)
    assert "no better than the champion" in verdict["reason"]  # it is the same model


def test_a_model_that_diverged_is_told_of_and_the_other_is_judged(unjudged: Run, sample: Path, one_ray: None):
    folder = unjudged.kind_url("cnn")
    storage.remove(storage.training_url(folder))
    storage.remove(unjudged.version_url("cnn"))
    storage.write_json(storage.diverged_url(folder), "the validation loss is nan")
    retrain(str(sample), unjudged.store, SMALL, OPEN, resume=unjudged.name)
    summary = storage.read_record(storage.summary_url(unjudged.folder_url))
    assert list(summary["models"]) == ["mobilenet_v2"]
    assert summary["champion"]["model"] == "mobilenet_v2"
    assert list(summary["failures"]) == ["cnn"]
    report = storage.read_bytes(storage.report_url(unjudged.folder_url)).decode()
    assert "validation loss is nan" in report


def test_a_model_that_cannot_be_evaluated_is_told_of_and_the_other_is_judged(
    unjudged: Run, sample: Path, one_ray: None
):
    storage.remove(storage.metrics_url(unjudged.kind_url("cnn")))
    storage.remove(storage.version_record_url(unjudged.version_url("cnn")))
    storage.write_bytes(storage.model_url(unjudged.version_url("cnn")), b"half written")
    retrain(str(sample), unjudged.store, SMALL, OPEN, resume=unjudged.name)
    summary = storage.read_record(storage.summary_url(unjudged.folder_url))
    assert list(summary["models"]) == ["mobilenet_v2"]
    assert summary["champion"]["model"] == "mobilenet_v2"
    assert summary["failures"]["cnn"].startswith("Evaluating cnn failed: ")
    assert "model.keras" in summary["failures"]["cnn"]
    assert unjudged.store not in summary["failures"]["cnn"]
    report = storage.read_bytes(storage.report_url(unjudged.folder_url)).decode()
    assert "Evaluating cnn failed" in report
