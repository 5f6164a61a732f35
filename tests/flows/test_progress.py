"""How a flow waits for its task runs on Ray."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
import ray

from flows import progress
from flows.progress import do_nothing, wait_for_each
from tasks import storage
from tasks.errors import JobError
from tasks.storage import Run
from tasks.training.history import write_history
from tasks.training.run import telling_waits


@pytest.mark.parametrize("room", [2, 0])  # with none at all one waits for it
def test_no_more_task_runs_are_submitted_than_there_is_room_for(room: int, one_ray: None):
    work, submitted = ray.remote(lambda number: number), []

    def futures() -> Iterator[SimpleNamespace]:
        for number in range(6):
            submitted.append(number)
            yield SimpleNamespace(wrapped_future=work.remote(number))

    for before, _ in enumerate(wait_for_each(futures(), do_nothing, limit=lambda: room)):
        assert len(submitted) <= before + max(room, 1)
    assert submitted == list(range(6))


def test_work_whose_nodes_are_all_lost_is_not_waited_for_for_ever(
    one_ray: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(progress, "LOST_NODE_SECONDS", 1.0)
    monkeypatch.setattr(progress.log, "propagate", True)
    holder = ray.remote(num_cpus=2)(Event).remote()
    waiting = ray.remote(lambda: None).remote()
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 0.0}}])
    with pytest.raises(JobError, match="a node with 1 CPU"):
        list(wait_for_each([SimpleNamespace(wrapped_future=waiting)], do_nothing))
    assert "Waits for a node with 1 CPU" in caplog.text
    ray.kill(holder)


@pytest.mark.parametrize("epochs", [0, 3])
def test_a_training_that_waits_says_what_for(
    epochs: int, tmp_path: Path, one_ray: None, monkeypatch: pytest.MonkeyPatch
):
    shown: list[tuple[int, str]] = []
    monkeypatch.setattr(progress, "show_progress", lambda *_: nullcontext(lambda *what: shown.append(what)))
    run = Run("run", str(tmp_path))
    rows = [{"epoch": epoch + 1, "val_accuracy": 0.5} for epoch in range(epochs)]
    if rows:
        write_history(storage.history_url(run.kind_url("cnn")), rows)
    future = SimpleNamespace(wrapped_future=ray.remote(lambda: time.sleep(2)).remote(), result=lambda: None)
    with telling_waits(run, "cnn") as tell:
        tell("waits for 2 CPUs")
        progress.Stages().epochs(future, run, "cnn", 8)
    assert (epochs, "waits for 2 CPUs") in shown
