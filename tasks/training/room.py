"""Room for a training on the cluster: who holds it, what one waits for, and for how long."""

import math
import time
from collections.abc import Callable
from typing import Any

import ray
import ray._private.state
from ray._raylet import PlacementGroupID
from ray.core.generated.gcs_pb2 import PlacementGroupTableData  # type: ignore[attr-defined]
from ray.util.placement_group import PlacementGroup, remove_placement_group

from tasks.errors import InputError, JobError
from tasks.parameters import Training
from tasks.training.cluster import Resources, resources_of

POLL_SECONDS = 1.0
LOST_NODE_SECONDS = 300.0  # how long whatever runs on Ray waits for another node in place of a lost one
BUSY_SECONDS = 3600.0  # and for others to free what they hold

Tell = Callable[[str], None]


def wait_for_room(training: Training, tell: Tell) -> Resources:
    """Wait until the cluster has room for a training now, and return the resources it takes.

    tell: is given what is waited for, in words. Raises JobError when that has not come within
    LOST_NODE_SECONDS or BUSY_SECONDS; another training of this job that holds the room ends by itself.
    """
    last_words, since = "", time.monotonic()
    while True:
        remove_orphans()
        try:
            resources = resources_of(training)
        except InputError as error:
            words, limit = f"a node in place of a lost one. {error}", LOST_NODE_SECONDS
        else:
            if resources.fit_on(ray._private.state.available_resources_per_node().values()):
                return resources
            holder, limit = ("another training", math.inf) if has_training() else ("other work", BUSY_SECONDS)
            words = f"{resources}, which {holder} holds"
        if words != last_words:
            last_words, since = words, time.monotonic()
            tell(f"waits for {words}")
        if time.monotonic() - since > limit:
            raise JobError(f"Waited {limit:,.0f} s in vain for {words}.")
        time.sleep(POLL_SECONDS)


def has_training() -> bool:
    """Whether a training of this job holds its resources."""
    return any(group.state == PlacementGroupTableData.CREATED for group in _groups())


def remove_orphans() -> None:
    """Free what the dead controllers of this job's trainings still hold, such as one short of memory.

    Ray keeps a placement group whose maker has died until its job ends; and the job waits for it. (Ray Train
    has a cleaner, but that asks the dashboard, which the Ray of one command has not.)
    """
    for group in _groups():
        if group.creator_actor_dead:
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
