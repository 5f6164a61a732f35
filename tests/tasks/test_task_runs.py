"""What Prefect's API may say of a task run: it is not believed where that would run code."""

from pathlib import Path
from typing import Any

import pytest
from prefect.results import ResultRecord, ResultRecordMetadata
from prefect.serializers import PickleSerializer
from prefect.states import Completed

import tasks.task_runs  # noqa: F401 - as every task does
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
