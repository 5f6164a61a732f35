"""What the version before wrote is read; what a newer one wrote is refused in one line."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.classify import classify
from flows.cli.main import run as run_command
from flows.retrain import retrain
from tasks import storage
from tasks.errors import InputError
from tasks.publishing import write_overview
from tasks.registry import read_version
from tasks.storage import Run
from tests.conftest import OPEN, SMALL
from tests.older import make_older


@pytest.fixture
def older_store(retrained: Run, tmp_path: Path) -> str:
    store = Path(shutil.copytree(retrained.store, tmp_path / "older"))
    make_older(store)
    return str(store)


def test_a_run_of_an_older_store_is_resumed_and_told(retrained: Run, sample: Path, older_store: str):
    run = retrain(str(sample), older_store, SMALL, OPEN, resume=retrained.name)
    summary = storage.read_record(storage.summary_url(run.folder_url))
    assert summary["schema_version"] == 1
    assert summary["dataset"]["decoded"] == 0
    assert retrained.name in storage.read_bytes(write_overview(older_store)).decode()
    assert run_command(["models", "show", "champion", "--store", older_store]) == 0


def test_an_older_output_goes_on_where_it_stopped(sample: Path, retrained: Run, tmp_path: Path):
    images, output = Path(shutil.copytree(sample / "seg_pred", tmp_path / "images")), tmp_path / "output"
    first = classify(str(images), retrained.store, str(output))
    make_older(output)
    shutil.copy(next(images.rglob("image_0001.jpg")), images / "new.jpg")
    second = classify(str(images), retrained.store, str(output))
    assert (second["images"], second["classified"]) == (first["images"] + 1, 1)


def test_what_a_newer_darkroom_wrote_is_refused_in_one_line(retrained: Run, tmp_path: Path, capsys):
    store = Path(shutil.copytree(retrained.store, tmp_path / "newer"))
    version = read_version(str(store), "champion")
    record = Path(storage.version_record_url(version.folder_url))
    record.write_text(json.dumps(json.loads(record.read_text()) | {"schema_version": 2}))
    assert run_command(["models", "list", "--store", str(store)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "Received version 2: install a newer Darkroom" in line

    [index] = store.glob("datasets/*/index.parquet")
    table = pq.read_table(index)
    pq.write_table(table.replace_schema_metadata({"schema_version": "2"}), index)
    with pytest.raises(InputError, match="Received version 2"):
        storage.read_table(str(index))
