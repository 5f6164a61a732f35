"""What every task is to Prefect: a run's own work, neither taken from a cache nor read back from a file."""

from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar

import prefect
from prefect.cache_policies import NO_CACHE
from prefect.serializers import PickleSerializer

from tasks.errors import JobError

P = ParamSpec("P")
R = TypeVar("R")


def task(**options: Any) -> Callable[[Callable[P, R]], prefect.Task[P, R]]:
    """Make a function a task of Prefect. Options are those of `prefect.task`."""
    return prefect.task(cache_policy=NO_CACHE, **options)


def refuse_to_unpickle(_: PickleSerializer[Any], blob: bytes) -> NoReturn:
    """Raise JobError for a result that Prefect's API says lies in a file; ours are never written to one.

    Whoever may write to the API could name any file, and unpickling runs the code that it holds.
    """
    raise JobError(
        "Prefect's API says that the result of a run lies in a file, which would be unpickled "
        f"({len(blob):,} bytes). None of Darkroom's does: look who may write to that API, and run again."
    )


PickleSerializer.loads = refuse_to_unpickle  # type: ignore[assignment,method-assign]
