"""Bulk classification on a real Prefect API and a real Ray: one row a file, and no work done twice."""

import os
import shutil
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from flows.classify import classify
from tasks import storage
from tasks.settings import Classification
from tasks.training import Run


@pytest.fixture(scope="module")
def classified(retrained: Run, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    output = str(tmp_path_factory.mktemp("classified") / "out")
    classify(str(sample), retrained.store, output)
    return output


def test_every_file_has_exactly_one_row(classified: str, sample: Path):
    rows = pq.read_table(f"{classified}/part-00000.parquet").to_pylist()
    files = sorted(str(path.relative_to(sample)) for path in sample.rglob("*") if path.is_file())
    assert [row["path"] for row in rows] == files
    bad = {row["path"]: row["status"] for row in rows if row["status"] != "ok"}
    assert bad.pop("awkward.json") == "unsupported"
    assert set(bad.values()) == {"corrupt"}
    assert all(row["error"] for row in rows if row["status"] != "ok")
    good = [row for row in rows if row["status"] == "ok"]
    assert all(row["label"] == row["top_labels"][0] for row in good)
    assert all(0 < row["confidence"] <= 1 for row in good)
    summary = storage.read_json(f"{classified}/summary.json")
    assert (summary["images"], summary["bad"]) == (len(files), len(files) - len(good))
    assert sum(summary["labels"].values()) == summary["ok"] == len(good)
    assert {row["engine"].split()[0] for row in good} == {"onnxruntime"}
    assert [record["feature"] for record in summary["drift"]] == [
        "labels",
        "confidence",
        "brightness",
        "sharpness",
    ]


def test_a_second_run_does_no_work(classified: str, retrained: Run, sample: Path):
    before = {name: os.stat(f"{classified}/{name}").st_mtime_ns for name in os.listdir(classified)}
    summary = classify(str(sample), retrained.store, classified)
    assert summary["images"] == len(pq.read_table(f"{classified}/part-00000.parquet"))
    for name in ("part-00000.parquet", "_SUCCESS", "report.html"):
        assert os.stat(f"{classified}/{name}").st_mtime_ns == before[name]


def test_another_folder_into_the_same_output_replaces_it(
    classified: str, retrained: Run, sample: Path, tmp_path: Path
):
    classified = shutil.copytree(classified, str(tmp_path / "out"))
    classify(str(sample / "seg_pred"), retrained.store, classified, options=Classification(format="csv"))
    assert not Path(classified, "part-00000.parquet").exists()
    rows = pyarrow.csv.read_csv(f"{classified}/part-00000.csv").to_pylist()
    assert len(rows) == len(list((sample / "seg_pred/seg_pred").iterdir()))
    assert ";" in rows[0]["top_labels"]
