"""Room for a training on the cluster: who holds it, what one waits for, and for how long."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
import ray._private.state
from ray._raylet import ActorID, PlacementGroupID
from ray.core.generated.gcs_pb2 import PlacementGroupTableData  # type: ignore[attr-defined]
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from tasks.errors import InputError, JobError
from tasks.parameters import Training
from tasks.training.cluster import Resources, resources_of

POLL_SECONDS = 1.0
LOST_NODE_SECONDS = 300.0  # how long whatever runs on Ray waits for another node in place of a lost one
BUSY_SECONDS = 3600.0  # and for others to free what they hold

ROOM = "room for "  # how the names of placement groups begin that only ask

Tell = Callable[[str], None]


def wait_for_room(training: Training, tell: Tell) -> Resources:
    """Wait until the cluster has room for a training now, and return the resources it takes.

    Ray is asked for that room: a cluster that is sized by demand then grows. tell: is given what is waited
    for, in words. Raises JobError when that has not come within LOST_NODE_SECONDS or BUSY_SECONDS; another
    training of this job that holds the room ends by itself.
    """
    last_words, since = "", time.monotonic()
    with asking_for_room() as ask:
        while True:
            remove_orphans()
            try:
                resources = resources_of(training)
            except InputError as error:
                resources = Resources(training.workers, 1, training.gpus_per_worker or 0)
                words, limit = f"a node in place of a lost one. {error}", LOST_NODE_SECONDS
            else:
                if resources.fit_on(ray._private.state.available_resources_per_node().values()):
                    return resources
                holder, limit = "other work", BUSY_SECONDS
                if has_training():
                    holder, limit = "another training", math.inf
                words = f"{resources}, which {holder} holds"
            ask(resources)
            if words != last_words:
                last_words, since = words, time.monotonic()
                tell(f"waits for {words}")
            if time.monotonic() - since > limit:
                raise JobError(f"Waited {limit:,.0f} s in vain for {words}.")
            time.sleep(POLL_SECONDS)


@contextmanager
def asking_for_room() -> Iterator[Callable[[Resources], None]]:
    """Yield a function that has Ray asked for resources, until they are there; what it gives is given back.

    An autoscaler adds nodes for what waits on Ray, as a placement group does. (`request_resources` would ask
    for a cluster of that size, whether its nodes are free or not.)
    """
    name = f"{ROOM}{ray.get_runtime_context().get_task_id()}"  # the same when Ray runs a lost task again
    remove_groups(name)

    def ask(resources: Resources) -> None:
        groups = [group for group in _groups() if group.name == name]
        if any(group.state == PlacementGroupTableData.CREATED for group in groups):
            remove_groups(name)  # the room is there: whoever waits takes it
        elif not groups:
            placement_group(resources.bundles, name=name)

    try:
        yield ask
    finally:
        remove_groups(name)


def remove_groups(name: str) -> None:
    for group in _groups():
        if group.name == name:
            remove_placement_group(PlacementGroup(PlacementGroupID(group.placement_group_id)))


def has_training() -> bool:
    """Whether a training of this job holds its resources."""
    return any(
        group.state == PlacementGroupTableData.CREATED and not group.name.startswith(ROOM)
        for group in _groups()
    )


def remove_orphans() -> None:
    """Free what the dead controllers of this job's trainings still hold, such as one short of memory.

    Ray keeps a placement group whose maker has died until its job ends; and the job waits for it. (Ray Train
    has a cleaner, but that asks the dashboard, which the Ray of one command has not.)
    """
    for group in _groups():
        is_of_actor = not ActorID(
            group.creator_actor_id
        ).is_nil()  # else Ray says of it, too, that it is dead
        if is_of_actor and group.creator_actor_dead:
            remove_placement_group(PlacementGroup(PlacementGroupID(group.placement_group_id)))


def _groups() -> list[Any]:
    """This job's placement groups."""
    job = ray.get_runtime_context().get_job_id()
    table = ray._private.state.state._connect_and_get_accessor().get_placement_group_table()
    groups = [PlacementGroupTableData.FromString(record) for record in table]
    return [
        group
        for group in groups
        if group.creator_job_id.hex() == job and group.state != PlacementGroupTableData.REMOVED
    ]
