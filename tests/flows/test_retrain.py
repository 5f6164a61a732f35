"""The main job on a real Prefect API and a real Ray."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prefect.artifacts import Artifact

from flows.explore import explore
from flows.retrain import retrain
from tasks import storage
from tasks.errors import InputError
from tasks.evaluation import read_history
from tasks.registry import champion, read_record, versions
from tasks.settings import Gate
from tasks.training import Run
from tests.flows.conftest import SMALL


def test_a_retraining_writes_what_it_promises(retrained: Run, sample: Path):
    summary = storage.read_json(retrained.url("summary.json"))
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
        history = read_history(retrained.url(kind, "history.csv"))
        assert [row["epoch"] for row in history] == [1, 2]
        assert storage.exists(retrained.url(kind, "confusion.png"))
    page = storage.read_bytes(retrained.url("report.html")).decode()
    assert "data:image/png;base64" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_champion_is_a_version_that_can_be_traced(retrained: Run):
    summary = storage.read_json(retrained.url("summary.json"))
    assert summary["champion"]["promoted"]
    record = read_record(retrained.store, "champion")
    assert record["version"] == summary["champion"]["version"] == champion(retrained.store)
    assert record["dataset"] == summary["dataset"]["fingerprint"]
    assert record["versions"] == versions()
    assert record["sha256"] == storage.sha256(storage.read_bytes(record["uri"]))


def test_the_ui_gets_a_summary_tables_and_progress(retrained: Run):
    for key in ("retrain-summary", "cnn-classes", "mobilenet-v2-classes", "train-cnn", "decode"):
        assert Artifact.get(key), f"no artifact {key}"


def test_a_second_run_decodes_nothing_and_must_beat_the_champion(retrained: Run, sample: Path):
    before = champion(retrained.store)
    again = retrain(
        str(sample), retrained.store, SMALL.model_copy(update={"models": ("cnn",)}), Gate(min_accuracy=0.0)
    )
    summary = storage.read_json(again.url("summary.json"))
    assert summary["dataset"]["decoded"] == 0
    verdict = summary["champion"]
    assert "than the champion" in verdict["reason"]
    compared = verdict["comparison"]
    assert verdict["promoted"] == (compared["only_second"] > compared["only_first"])
    assert champion(retrained.store) == (verdict["version"] if verdict["promoted"] else before)


def test_resuming_a_finished_run_trains_nothing_again(retrained: Run, sample: Path):
    record = retrained.url("cnn", "training.json")
    before = storage.read_bytes(record)
    assert (
        retrain(str(sample), retrained.store, SMALL, Gate(min_accuracy=0.0), resume=retrained.name)
        == retrained
    )
    assert storage.read_bytes(record) == before
    other = SMALL.model_copy(update={"seed": 1})
    with pytest.raises(InputError, match="seed"):
        retrain(str(sample), retrained.store, other, resume=retrained.name)
    with pytest.raises(InputError, match=retrained.name):
        retrain(str(sample), retrained.store, SMALL, resume="no-such-run")


def test_exploring_audits_without_a_test_split(sample: Path, store: str, prefect_api: None):
    report = explore(str(sample / "seg_train/seg_train"), store, weights="none")
    page = storage.read_bytes(report).decode()
    assert "sea" in page
    assert "Labels were not checked" in page
    [dataset] = storage.names(storage.join(store, "datasets"))
    listed = pq.read_table(storage.join(store, "datasets", dataset, "manifest.parquet"))
    assert len(listed) == len(list(sample.glob("seg_train/seg_train/*/*")))
