"""Storage that is away for a while does not cost a training."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import ray.train

from tasks import storage
from tasks.errors import JobError
from tasks.storage import Run, objects
from tasks.training import worker
from tasks.training.checkpoints import Progress, read_progress
from tasks.training.history import read_history
from tasks.training.loop import FitState

ROW = {"epoch": 1.0, "loss": 0.5, "val_loss": 0.5, "val_accuracy": 0.5, "seconds": 1.0}


class Outage:
    """Raises at the first calls, then does what it stands for."""

    def __init__(self, calls: int, does):
        self.calls, self.does = calls, does

    def __call__(self, *arguments):
        self.calls -= 1
        if self.calls >= 0:
            raise ConnectionError("connection refused")
        return self.does(*arguments)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "WAITS", (0, 0, 0))


def test_an_epoch_is_recorded_once_storage_is_back(tmp_path: Path, monkeypatch):
    run, checkpoints = Run("2026-11-22T03-00-00-abcd", str(tmp_path)), []
    persist = Outage(2, lambda checkpoint, name: checkpoints.append(read_progress(Path(checkpoint.path))))
    context = SimpleNamespace(
        get_world_rank=lambda: 0,
        get_storage=lambda: SimpleNamespace(
            persist_current_checkpoint=persist, storage_fs_path="checkpoints"
        ),
    )
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    monkeypatch.setattr(
        ray.train,
        "report",
        lambda row, checkpoint, checkpoint_upload_fn: checkpoint_upload_fn(checkpoint, "checkpoint_1"),
    )
    monkeypatch.setattr(storage, "write_bytes", Outage(2, storage.write_bytes))
    worker.record_epoch("cnn", run, 0.0, Progress(state=FitState([ROW])))
    assert read_history(storage.history_url(run.kind_url("cnn"))) == [ROW | {"phase": 1.0}]
    [progress] = checkpoints
    assert progress.history == [ROW | {"phase": 1}]
    assert progress.seconds > 0


def test_a_write_is_not_tried_for_ever_nor_where_waiting_does_not_help():
    with pytest.raises(ConnectionError):
        storage.patiently(Outage(4, str))
    attempts = []

    def disk_full() -> None:
        attempts.append(1)
        raise JobError("The disk is full")

    with pytest.raises(JobError):
        storage.patiently(disk_full)
    assert len(attempts) == 1
