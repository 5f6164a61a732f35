"""How a flow waits for its task runs on Ray, shows how far they are and how long they took."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from flows import progress, waiting
from flows.progress import Stages, time_left
from flows.waiting import do_nothing, wait_for_each
from tasks import storage
from tasks.errors import InputError, JobError
from tasks.storage import Run, at_work
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


class Training(SimpleNamespace):
    """A task run on Ray that takes longer than a poll or two."""

    def __init__(self) -> None:
        work = ray.remote(lambda: time.sleep(3 * waiting.POLL_SECONDS) or "trained")
        super().__init__(wrapped_future=work.remote())

    def result(self) -> str:
        return ray.get(self.wrapped_future)


def unreachable(*_: object, **__: object) -> None:
    raise OSError("connection refused")


@pytest.mark.parametrize("history", ["away", "", "epoch,val_accuracy\n1,", "\x00"])
def test_what_is_only_shown_never_fails_a_training(history: str, store: str, one_ray: None, monkeypatch):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.1)
    run = Run("2026-11-22T03-00-00-abcd", store)
    storage.write_bytes(storage.history_url(run.kind_url("cnn")), history.encode())
    if history == "away":
        monkeypatch.setattr(storage, "read_bytes", unreachable)
        monkeypatch.setattr(storage, "exists", unreachable)
        monkeypatch.setattr(storage, "write_record", unreachable)
        monkeypatch.setattr(progress, "create_progress_artifact", unreachable)
        monkeypatch.setattr(progress, "NOTED_SECONDS", 0.0)
    stages = Stages(run)
    assert stages.epochs(Training(), run, "cnn", 8) == "trained"
    assert stages.seconds["train"] > waiting.POLL_SECONDS


def test_a_run_tells_the_time_of_all_its_attempts(store: str, monkeypatch):
    monkeypatch.setattr(progress, "NOTED_SECONDS", 0.0)
    run = Run("2026-11-22T03-00-00-abcd", store)
    storage.write_record(run.record_url, {})
    first = Stages(run)
    with first.stage("list"):
        pass
    with pytest.raises(JobError), first.stage("train"):
        time.sleep(0.1)
        first.poll()
        raise JobError("the machine went away")
    second = Stages(run)
    with second.stage("train"):
        time.sleep(0.1)
    assert second.started == first.started
    assert second.seconds["train"] >= 0.2
    assert second.seconds["list"] == first.seconds["list"]


def test_a_run_that_is_refused_before_it_begins_leaves_nothing_and_one_that_began_its_times(store: str):
    run = Run("2026-11-22T03-00-00-abcd", store)
    with pytest.raises(InputError), at_work(run), Stages(run).stage("list"):
        raise InputError("no images")
    assert storage.names(storage.runs_url(store)) == []
    storage.write_record(run.record_url, {})
    with pytest.raises(InputError), at_work(run), Stages(run).stage("list"):
        raise InputError("no images")
    assert storage.names(run.folder_url) == ["run.json", "stages.json"]


def test_a_run_whose_times_are_lost_goes_on(store: str):
    run = Run("2026-11-22T03-00-00-abcd", store)
    for content in (b"", b"[]", b'{"seconds": {"train": "x"}}', b'{"seconds": 3}'):
        storage.write_bytes(run.stages_url, content)
        assert Stages(run).seconds == {}


def test_work_whose_nodes_are_all_lost_is_not_waited_for_for_ever(
    one_ray: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(waiting, "LOST_NODE_SECONDS", 1.0)
    holder = ray.remote(num_cpus=2)(Event).remote()
    ray.get(holder.is_set.remote())  # it has the CPUs now
    task = ray.remote(lambda: None).remote()
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 0.0}}])
    with pytest.raises(JobError, match="a node with 1 CPU"):
        list(wait_for_each([SimpleNamespace(wrapped_future=task)], do_nothing))
    assert "Waits for a node with 1 CPU" in caplog.text
    ray.kill(holder)


@pytest.mark.parametrize("epochs", [0, 3])
def test_a_training_that_waits_says_what_for(
    epochs: int, tmp_path: Path, one_ray: None, monkeypatch: pytest.MonkeyPatch
):
    shown: list[tuple[int, str]] = []

    def show(*what: Any) -> None:
        shown.append(what)
        (tmp_path / "shown").touch()

    monkeypatch.setattr(progress, "show_progress", lambda *_: nullcontext(show))
    run = Run("run", str(tmp_path))
    rows = [{"epoch": epoch + 1, "val_accuracy": 0.5} for epoch in range(epochs)]
    if rows:
        write_history(storage.history_url(run.kind_url("cnn")), rows)

    def wait_to_be_shown() -> None:
        while not (tmp_path / "shown").exists():
            time.sleep(0.05)

    future = SimpleNamespace(wrapped_future=ray.remote(wait_to_be_shown).remote(), result=lambda: None)
    with telling_waits(run, "cnn") as tell:
        tell("waits for 2 CPUs")
        progress.Stages().epochs(future, run, "cnn", 8)
    assert (epochs, "waits for 2 CPUs") in shown


@pytest.mark.parametrize(
    ("seconds", "share", "words"),
    [(5, 0.0, ""), (30, 0.5, "30 s left"), (60, 0.1, "9 min left"), (60, 1.0, "")],
)
def test_the_time_left_is_that_of_the_rest(seconds: float, share: float, words: str):
    assert time_left(seconds, share) == words
