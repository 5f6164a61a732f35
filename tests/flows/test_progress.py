"""How a flow waits for its task runs on Ray."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import ray

from flows.progress import do_nothing, wait_for_each


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
