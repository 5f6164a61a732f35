"""What fails again and again ends in an error, however Ray Train calls it."""

from unittest.mock import Mock

import pytest
import ray.train
from ray.train.v2._internal.exceptions import WorkerGroupStartupFailedError, WorkerGroupStartupTimeoutError

from tasks.errors import JobError
from tasks.parameters import Training
from tasks.storage import Run
from tasks.training import run


@pytest.mark.parametrize(
    "failure",
    [
        WorkerGroupStartupFailedError("killed for memory"),
        WorkerGroupStartupTimeoutError(num_workers=1),
        OSError("storage is away"),
    ],
)
def test_a_training_that_never_starts_ends_in_an_error(failure: Exception, store: str, monkeypatch):
    trainer = Mock()
    trainer.fit.side_effect = ray.train.ControllerError(failure)
    monkeypatch.setattr(run, "trainer", lambda *_: trainer)
    monkeypatch.setattr(run, "wait_for_room", lambda *_: None)
    monkeypatch.setattr(run, "check_cluster", lambda _: None)
    with pytest.raises(JobError, match="did not start"):
        run.fit("cnn", Mock(), Training(), Run("one", store))
    assert trainer.fit.call_count in (run.MAX_FAILURES + 1, run.MAX_STARTS + 1)
