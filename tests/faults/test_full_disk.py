"""Disks that take nothing more: one line names the disk, and the same command then comes to the same end."""

import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from flows.cli.main import run
from tasks.storage import Run
from tests.disks import Disk, mounted
from tests.faults import test_killed_training as training
from tests.faults.processes import PATIENCE_SECONDS, darkroom, finish, until
from tests.faults.test_killed_classify import rows

pytestmark = pytest.mark.slow
WAYS = {Disk.fill: "is full: make room", Disk.protect: "can only be read: mount it"}
Way = Callable[[Disk], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture(scope="module")
def undisturbed(
    classification: list[str], one_ray: None, tmp_path_factory: pytest.TempPathFactory
) -> pa.Table:
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    assert run([*classification, "--output", str(output)]) == 0
    return rows(output)


def has_weights(store: Path, retrained: Run) -> bool:
    """Whether the one run of a store came to the weights of the CNN of another."""
    resumed = Run(training.killed_run(store), str(store))
    return all(map(np.array_equal, training.weights(resumed), training.weights(retrained)))


def strike(disk: Disk, way: Way, moment: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=lambda: (until(moment), way(disk)))
    thread.start()
    return thread


def assert_one_line(errors: str, disk: Disk, what: str) -> None:
    last = errors.strip().splitlines()[-1]
    assert "Traceback" not in errors
    assert last.startswith("darkroom: ")
    assert f"The disk of '{disk.folder}" in last
    assert what in last


@pytest.mark.parametrize("way", WAYS)
def test_a_disk_that_takes_no_more_rows_is_told_and_they_come_out_the_same(
    way: Way, disk: Disk, classification: list[str], undisturbed: pa.Table, one_ray: None, capfd
):
    output = disk.folder / "out"
    command = [*classification, "--output", str(output)]
    striking = strike(disk, way, lambda: list(output.glob("part-*.parquet")))
    assert run(command) == 1
    striking.join()
    assert_one_line(capfd.readouterr().err, disk, WAYS[way])
    disk.mend()
    assert run(command) == 0
    assert rows(output).equals(undisturbed)


def decoding(store: Path) -> bool:
    return bool(list(store.glob("datasets/*")))


def training_for_long(store: Path) -> bool:
    return training.epochs(store) >= 2


@pytest.mark.parametrize(
    ("way", "moment"),
    [
        (Disk.fill, decoding),
        (Disk.fill, training_for_long),
        (Disk.protect, training_for_long),
    ],
)
def test_a_store_that_takes_no_more_is_told_and_the_weights_come_out_the_same(
    way: Way, moment: Callable[[Path], bool], disk: Disk, sample: Path, retrained: Run, capfd
):
    store = disk.folder / "store"
    command = training.command(sample, store)
    striking = strike(disk, way, lambda: moment(store))
    assert run(command) == 1
    striking.join()
    assert_one_line(capfd.readouterr().err, disk, WAYS[way])
    disk.mend()
    begun = [path.name for path in store.glob("runs/*")]
    assert run([*command, *(["--resume", begun[0]] if begun else [])]) == 0
    assert has_weights(store, retrained)


@pytest.fixture
def temporary_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk that is the temporary folder of commands; its path leaves room for those of Ray's sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, mounted(Path(folder, "disk")) as disk:
        monkeypatch.setenv("TMPDIR", str(disk.folder))
        yield disk


def filled_to_its_end(process: subprocess.Popen, disk: Disk) -> str:
    """Keep a disk full, whatever goes from it, until a command ends. Returns what that said."""
    until(lambda: disk.fill() or process.poll() is not None)
    return process.communicate(timeout=PATIENCE_SECONDS)[1].decode()


def test_a_temporary_folder_that_takes_no_more_is_told_and_rows_come_out_the_same(
    temporary_disk: Disk,
    classification: list[str],
    undisturbed: pa.Table,
    tmp_path: Path,
):
    output = tmp_path / "out"
    command = [*classification, "--output", str(output)]
    process = darkroom(command, tmp_path / "prefect", api=None)
    until(lambda: list(output.glob("part-*.parquet")), process)
    errors = filled_to_its_end(process, temporary_disk)
    assert process.returncode == 1
    assert_one_line(errors, temporary_disk, "is full: make room")
    temporary_disk.mend()
    finish(darkroom(command, tmp_path / "prefect", api=None))
    assert rows(output).equals(undisturbed)


def test_a_temporary_folder_that_takes_no_more_while_a_model_trains_is_told(
    temporary_disk: Disk, sample: Path, retrained: Run, tmp_path: Path
):
    store = tmp_path / "store"
    process = darkroom(training.command(sample, store), tmp_path / "prefect", api=None)
    until(lambda: training.epochs(store) >= 2, process)
    errors = filled_to_its_end(process, temporary_disk)
    assert process.returncode == 1
    assert_one_line(errors, temporary_disk, "is full: make room")
    temporary_disk.mend()
    name = training.killed_run(store)
    finish(darkroom(training.command(sample, store, "--resume", name), tmp_path / "prefect", api=None))
    assert has_weights(store, retrained)
