"""`clean`, killed after each of its deletions: the rest counts as unfinished, and a retraining goes on."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from tasks import storage
from tasks.dataset import Dataset, commit_dataset, decode_part, list_images, plan_parts
from tests.tasks.registry.test_retention import night

MARKERS = ("_SUCCESS", "model.json", "summary.json", "run.json")

# Cleans copies of a store; the process that cleans the n-th dies after its n-th deletion of a file.
CLEAN = """
import os, shutil, signal, sys
from flows.cli.stack import clean

store, copies = sys.argv[1:]

def die_after(most: int, remove):
    def counted(path, *rest, **options):
        remove(path, *rest, **options)
        name = os.path.basename(os.fspath(path))
        if not name.startswith((".", "_lock", "darkroom-lock-")):
            most[0] -= 1
            if not most[0]:
                os.kill(os.getpid(), signal.SIGKILL)
    return counted

for number in range(1, 999):
    copy = shutil.copytree(store, f"{copies}/{number}")
    if not (child := os.fork()):
        most = [number]
        os.unlink, os.remove = die_after(most, os.unlink), die_after(most, os.remove)
        clean(store=copy, keep_runs=1, keep_versions=1, dry_run=False)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def decode_all(folder: Path, store: str) -> Dataset:
    manifest = list_images.fn(str(folder), store, 32, 0.2)
    return commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 1.0)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def index_of(dataset: Dataset) -> pa.Table:
    return storage.read_table(storage.index_url(dataset.url))


def test_clean_killed_between_any_two_deletions_leaves_nothing_that_passes_for_whole(
    sample: Path, tmp_path: Path
):
    store, copies = tmp_path / "store", tmp_path / "copies"
    dataset = decode_all(sample, str(store))
    long_ago = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    os.utime(storage.success_url(dataset.url), (long_ago, long_ago))
    for number in range(2):
        night(str(store), number)
    copies.mkdir()
    subprocess.run([sys.executable, "-c", CLEAN, str(store), str(copies)], check=True)
    cleaned = sorted(copies.iterdir(), key=lambda path: int(path.name))
    folders = [path for room in ("datasets", "runs", "models") for path in (store / room).iterdir()]
    assert len(cleaned) > 10
    for copy in cleaned:
        for folder in folders:
            left = copy / folder.relative_to(store)
            if any((left / marker).exists() for marker in MARKERS):
                before = files_below(folder) - {"summary.json"}  # goes before run.json
                assert before <= files_below(left), f"{left} lacks {before - files_below(left)}"
    for copy in (cleaned[0], cleaned[-4], cleaned[-2]):
        again = decode_all(sample, str(copy))
        assert index_of(again).equals(index_of(dataset))
        shutil.rmtree(copy)
