"""From a heap of photos and a file of labels to a judged model, and from a list to rows."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.classify import classify
from flows.retrain import retrain
from tasks import storage
from tasks.parameters import Classification, Data
from tasks.registry.versions import read_record
from tests.conftest import OPEN, SMALL


@pytest.mark.slow
def test_a_heap_of_photos_and_a_file_of_labels_are_enough(
    sample: Path, tmp_path: Path, prefect_api: None, one_ray: None
):
    heap = tmp_path / "heap"
    heap.mkdir()
    lines = ["id,label,site"]
    for number, file in enumerate(sorted(sample.glob("seg_t*/*/*/*.jpg"))):
        (heap / f"{number:03d}.jpg").write_bytes(file.read_bytes())
        lines.append(f"{number:03d},{file.parent.name},{number % 5}")
    (tmp_path / "train.csv").write_text("\n".join([*lines, "999,sea,1"]))
    training = SMALL.model_copy(update={"models": ("cnn",), "epochs": 1})
    data = Data(labels=str(tmp_path / "train.csv"), group_by="site", fit="pad")
    run = retrain(str(heap), str(tmp_path / "store"), training, OPEN, data)

    summary = storage.read_json(storage.summary_url(run.folder_url))
    assert summary["dataset"]["counts"]["test"] > 0
    assert summary["dataset"]["origin"]["test_share"] == 0.2
    assert "1 rows without a file (999)" in summary["dataset"]["origin"]["listing"]
    groups = storage.read_json(storage.metrics_url(run.kind_url("cnn")))["groups"]
    assert sum(group["images"] for group in groups) == summary["dataset"]["counts"]["test"]
    page = storage.read_bytes(storage.report_url(run.folder_url)).decode()
    assert "There was no test split: 20% were drawn for it" in page
    assert "Group by group" in page
    assert "Pictures are padded with grey to squares." in page
    assert read_record(run.store, "champion")["fit"] == "pad"

    (tmp_path / "list.json").write_text(json.dumps(["003.jpg", "gone.jpg", "001.jpg"]))
    options = Classification(files=str(tmp_path / "list.json"))
    classify(str(heap), run.store, str(tmp_path / "out"), options=options)
    rows = pq.read_table(tmp_path / "out" / "part-00000.parquet").to_pylist()
    assert [(row["path"], row["status"]) for row in rows] == [
        ("001.jpg", "ok"),
        ("003.jpg", "ok"),
        ("gone.jpg", "unreadable"),
    ]
