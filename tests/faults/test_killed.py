"""Processes are really killed; what comes out after running again is what an untouched run gives."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import models, storage
from tasks.registry import promote_by_hand

FILES = 5_000
SERVER = "prefect.server.api.server:create_app"


@pytest.fixture(scope="module")
def many(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five parts' worth of files: links to the sample's unlabelled ones, bad ones among them."""
    root = tmp_path_factory.mktemp("many")
    files = sorted((sample / "seg_pred/seg_pred").iterdir())
    for number in range(FILES):
        os.link(files[number % len(files)], root / f"{number:05d}.jpg")
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store whose champion is an untrained network: rows need not be right here, only the same."""
    store = str(tmp_path_factory.mktemp("store"))
    keras.utils.set_random_seed(0)
    folder = Path(store, "models", "v1")
    folder.mkdir(parents=True)
    models.build_cnn(classes=6, size_px=96).save(folder / "model.keras")
    record = {
        "version": "v1",
        "kind": "cnn",
        "sha256": storage.sha256((folder / "model.keras").read_bytes()),
        "classes": list("abcdef"),
        "size_px": 96,
        "temperature": 1.0,
        "created": "",
    }
    storage.write_json(str(folder / "model.json"), record)
    promote_by_hand(store, "v1")
    return store


def start(images: Path, store: str, output: Path) -> subprocess.Popen:
    """`darkroom classify` as a user runs it, in a process of its own."""
    command = ["classify", "--images", str(images), "--store", store, "--output", str(output)]
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment["PREFECT_HOME"] = str(output.parent / "prefect")
    return subprocess.Popen(
        [sys.executable, "-m", "flows", *command], env=environment, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors.decode()


def until(condition: Callable[[], object], process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def parts_done(output: Path) -> int:
    return len(list((output / "_done").glob("part-*.json")))


def rows(output: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted(output.glob("part-*.parquet")))


@pytest.fixture(scope="module")
def untouched(many: Path, store: str, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The rows of a run nobody disturbed, whose workers are watched for servers of their own."""
    output = tmp_path_factory.mktemp("untouched") / "out"
    process = start(many, store, output)
    servers = set()
    while process.poll() is None:
        servers |= {child.pid for child in descendants(process) if SERVER in command_of(child)}
        time.sleep(0.2)
    finish(process)
    assert len(servers) == 1, "the run had other than one Prefect server"
    return rows(output)


def descendants(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_one_row_a_file_in_order(untouched: pa.Table):
    assert untouched["path"].to_pylist() == [f"{number:05d}.jpg" for number in range(FILES)]
    assert 0 < untouched["status"].to_pylist().count("corrupt") < FILES


def test_a_killed_flow_process_goes_on_where_it_stopped(many, store, untouched, tmp_path):
    output = tmp_path / "out"
    process = start(many, store, output)
    until(lambda: parts_done(output) >= 1, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in (output / "_done").iterdir()}
    assert not (output / "_SUCCESS").exists()
    assert len(done) < 5
    finish(start(many, store, output))
    assert rows(output).equals(untouched)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in done.items())


def test_a_killed_ray_worker_loses_and_repeats_nothing(many, store, untouched, tmp_path):
    output = tmp_path / "out"
    process = start(many, store, output)
    until(lambda: parts_done(output) >= 1, process)
    victims = [child for child in descendants(process) if "ray::" in command_of(child)]
    victims = [child for child in victims if "classify" in command_of(child)]
    assert victims, "no Ray worker was at work"
    victims[0].kill()
    finish(process)
    assert rows(output).equals(untouched)
