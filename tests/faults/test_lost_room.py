"""Trainings that lose their controller, a node or their CPUs: they go on, or fail in time and say why."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from flows.runtime import ray_options
from tasks import storage
from tasks.dataset.records import Dataset
from tasks.errors import JobError
from tasks.parameters import Training
from tasks.storage import Run
from tasks.training import room
from tasks.training import run as run_module
from tasks.training.run import read_wait, train_model
from tests.faults.processes import command_of, until

NO_DATASET = Dataset("", "", "", (), 32, {}, 0, 0, 0, 0)


def kill_the_controller_once(config: dict[str, Any]) -> None:
    """What a worker runs: at first it kills its controller, as the kernel short of memory would."""
    killed = Path(config["run"].store, "killed")
    if killed.exists():
        finish(config)
        return
    killed.touch()
    for process in psutil.Process().parent().children():
        if "TrainController" in command_of(process):
            process.kill()
    time.sleep(600)


def finish(config: dict[str, Any]) -> None:
    record = {"kind": "cnn", "version": "v", "parameters": 1, "epochs": 1, "best_epoch": 1}
    record |= {"seconds": 1.0, "images_per_second": 1.0, "precision": "float32"}
    storage.write_json(storage.training_url(config["run"].kind_url("cnn")), record)


def work_for_ever(config: dict[str, Any]) -> None:
    Path(config["run"].store, f"at-work-{ray.train.get_context().get_world_rank()}").touch()
    time.sleep(600)


def test_a_killed_controller_frees_its_cpus_and_its_training_goes_on(
    one_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run_module, "train_worker", kill_the_controller_once)
    trained = train_model.fn("cnn", NO_DATASET, Training(), Run("run", str(tmp_path)))
    assert trained.version == "v"
    assert (tmp_path / "killed").exists()


def test_a_training_that_others_leave_no_cpus_says_so_and_fails_in_time(
    one_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(room, "BUSY_SECONDS", 1.0)
    holder = ray.remote(num_cpus=2)(threading.Event).remote()
    ray.get(holder.is_set.remote())
    run, words = Run("run", str(tmp_path)), []
    watch = threading.Thread(target=lambda: until(lambda: words.append(read_wait(run, "cnn")) or words[-1]))
    watch.start()
    with pytest.raises(JobError, match=r"2 CPUs, which other work holds.*--resume run"):
        train_model.fn("cnn", NO_DATASET, Training(), run)
    watch.join()
    assert words[-1] == "waits for 2 CPUs, which other work holds"
    assert not read_wait(run, "cnn")
    ray.kill(holder)


SHORT_OF_MEMORY = """
import ray, time
from flows.runtime import ray_options
ray.init(address="local", num_cpus=1, include_dashboard=False, **ray_options())
ray.get(ray.remote(lambda: time.sleep(600)).remote(), timeout=120)
"""


@pytest.mark.slow
def test_a_task_that_ray_ends_for_want_of_memory_each_time_fails():
    every_worker = {"RAY_memory_usage_threshold": "0.0001", "RAY_memory_monitor_refresh_ms": "200"}
    command = [sys.executable, "-c", SHORT_OF_MEMORY]
    ended = subprocess.run(command, env=os.environ | every_worker, stderr=subprocess.PIPE)
    assert b"OutOfMemoryError" in ended.stderr


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_a_node_lost_for_good_ends_the_training_with_what_resumes_it(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usual_seconds = room.LOST_NODE_SECONDS
    monkeypatch.setattr(room, "LOST_NODE_SECONDS", 5.0)
    monkeypatch.setattr(run_module, "train_worker", work_for_ever)
    node = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, **ray_options())
    lost = []

    def lose_the_node() -> None:
        until(lambda: len(list(tmp_path.glob("at-work-*"))) == 2)
        lost.append(time.monotonic())
        cluster.remove_node(node, allow_graceful=False)

    threading.Thread(target=lose_the_node).start()
    with pytest.raises(JobError, match=r"in place of a lost one.*2 workers.*--resume run"):
        train_model.fn("cnn", NO_DATASET, Training(workers=2), Run("run", str(tmp_path)))
    assert time.monotonic() - lost[0] < usual_seconds
