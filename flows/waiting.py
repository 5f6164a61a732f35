"""Waits for task runs on Ray: so many at a time, and not without end for nodes that are lost."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, cast

import ray
from prefect import Task
from prefect_ray.context import RemoteOptionsContext
from prefect_ray.task_runners import PrefectRayFuture

from tasks.errors import JobError
from tasks.networks import node_resources
from tasks.training import LOST_NODE_SECONDS

POLL_SECONDS = 0.5

log = logging.getLogger("darkroom")

Poll = Callable[[], None]  # called while waiting
Limit = Callable[[], int]  # how many task runs may be on Ray now


def do_nothing() -> None:
    pass


def no_limit() -> int:
    return sys.maxsize


def submit_each(
    task: Task, parts: Iterable[Any], started: list[PrefectRayFuture]
) -> Iterator[PrefectRayFuture]:
    """Submit a task for each part when its future is asked for; the futures are added to `started` too."""
    for part in parts:
        started.append(cast(PrefectRayFuture, task.submit(part)))
        yield started[-1]


def wait_for_each(
    futures: Iterable[PrefectRayFuture], poll: Poll, limit: Limit = no_limit
) -> Iterator[PrefectRayFuture]:
    """Yield futures as they finish, calling `poll` while waiting; at most `limit()` are awaited at once."""
    coming, nodes = iter(futures), NodeWatch()
    waiting: dict[Any, PrefectRayFuture] = {}
    while True:
        room = max(max(limit(), 1) - len(waiting), 0)
        waiting |= {future.wrapped_future: future for future in islice(coming, room)}
        if not waiting:
            return
        ready = wait_for_some(list(waiting))
        for reference in ready:
            yield waiting.pop(reference)
        if not ready:
            poll()
            nodes.check()


def wait_for_some(references: list[Any]) -> list[Any]:
    """Those that finish within POLL_SECONDS, perhaps none."""
    try:
        return ray.wait(references, timeout=POLL_SECONDS, fetch_local=False)[0]
    except SystemError as error:  # what becomes in Ray's C++ of all that Prefect's handlers of signals raise
        raise (error.__cause__ or error) from None


class NodeWatch:
    """Says when no node of the cluster can take the task runs that are waited for, and ends the wait in time.

    Ray itself would wait for one without end or word.
    """

    def __init__(self) -> None:
        options = RemoteOptionsContext.get().current_remote_options
        self._needs = {"CPU": options.get("num_cpus", 1), "GPU": options.get("num_gpus", 0)}
        self._lost_at: float | None = None

    def check(self) -> None:
        """Raises JobError when there has been no node for LOST_NODE_SECONDS."""
        nodes = node_resources()
        if any(all(node.get(name, 0) >= need for name, need in self._needs.items()) for node in nodes):
            self._lost_at = None
            return
        needs = " and ".join(f"{need:g} {name}" for name, need in self._needs.items() if need)
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            log.warning("Waits for a node with %s: the cluster has lost all of them.", needs)
        if time.monotonic() - self._lost_at > LOST_NODE_SECONDS:
            raise JobError(
                f"Waited {LOST_NODE_SECONDS:,.0f} s in vain for a node with {needs}: the cluster lost all. "
                "The same command goes on where it stopped (retrain: with `--resume RUN`)."
            )
