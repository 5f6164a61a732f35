"""What Prefect's API may say of a task run: it is not believed where that would run code."""

from pathlib import Path
from typing import Any

import pytest
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
