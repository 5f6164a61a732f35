"""What every task is to Prefect: where it is tried again, and what of it is never believed."""

from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.results import ResultRecord, ResultRecordMetadata
from prefect.serializers import PickleSerializer
from prefect.settings import (
    PREFECT_LOCAL_STORAGE_PATH,
    PREFECT_RESULTS_PERSIST_BY_DEFAULT,
    temporary_settings,
)
from prefect.states import Completed

import tasks.task_runs
from tasks.errors import JobError
from tasks.task_runs import RETRIES, task


class Planted:
    """Once unpickled, it has run code of whoever pickled it."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_result_that_lies_in_a_file_is_never_unpickled(tmp_path: Path):
    trace, stored = tmp_path / "trace", tmp_path / "result"
    metadata = ResultRecordMetadata(storage_key=str(stored), serializer=PickleSerializer())
    stored.write_bytes(ResultRecord(result=Planted(trace), metadata=metadata).serialize())
    with pytest.raises(JobError, match="would be unpickled"):
        Completed(data=metadata).result()
    assert not trace.exists()


def test_no_result_is_written_to_a_file_whatever_prefects_settings_say(prefect_api: None, tmp_path: Path):
    settings = {PREFECT_RESULTS_PERSIST_BY_DEFAULT: True, PREFECT_LOCAL_STORAGE_PATH: tmp_path}
    with temporary_settings(settings):
        assert tasks.task_runs.task()(answer)() == 42
    assert list(tmp_path.iterdir()) == []


def answer() -> int:
    return 42


def test_storage_that_is_away_for_half_a_minute_fails_no_task_and_a_mistake_does_at_once(api: str):
    @flow
    def attempts_of(error: Exception) -> int:
        attempts = []

        @task(**RETRIES | {"retry_delay_seconds": 0})
        def fail() -> None:
            attempts.append(error)
            raise error

        fail(return_state=True)
        return len(attempts)

    assert sum(RETRIES["retry_delay_seconds"]) > 30
    assert attempts_of(PermissionError("Forbidden")) == 1 + len(RETRIES["retry_delay_seconds"])
    assert attempts_of(JobError("The disk is full: make room.")) == 1
