"""What every task is to Prefect: a run's own work, neither taken from a cache nor read back from a file."""

from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar

import prefect
from prefect import State
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.serializers import PickleSerializer

from tasks.errors import InputError, JobError

P = ParamSpec("P")
R = TypeVar("R")


def task(**options: Any) -> Callable[[Callable[P, R]], prefect.Task[P, R]]:
    """Make a function a task of Prefect. Options are those of `prefect.task`."""
    return prefect.task(cache_policy=NO_CACHE, **options)


def may_pass(_: prefect.Task[..., Any], __: TaskRun, state: State) -> bool:
    """Whether trying a failed task run again may help: not where it says itself what to do."""
    return not isinstance(state.result(raise_on_failure=False), InputError | JobError)


# Of a task that storage which takes nothing for half a minute is not to fail.
RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [2, 10, 30],
    "retry_condition_fn": may_pass,
}


def refuse_to_unpickle(_: PickleSerializer[Any], blob: bytes) -> NoReturn:
    """Raise JobError for a result that Prefect's API says lies in a file; ours are never written to one.

    Whoever may write to the API could name any file, and unpickling runs the code that it holds.
    """
    raise JobError(
        "Prefect's API says that the result of a run lies in a file, which would be unpickled "
        f"({len(blob):,} bytes). None of Darkroom's does: look who may write to that API, and run again."
    )


PickleSerializer.loads = refuse_to_unpickle  # type: ignore[assignment,method-assign]
