"""The resources that a training asks Ray for."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ray
import ray._private.state

from tasks.errors import InputError
from tasks.networks import node_resources
from tasks.parameters import Training
from tasks.training.door import PORTS

if TYPE_CHECKING:
    from ray.train import ScalingConfig

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class Resources:
    """What the workers of a training take, each on one node."""

    workers: int
    cpus: int
    gpus: int

    def __str__(self) -> str:
        each = f"{self.cpus} CPUs" + (f" and {self.gpus} GPUs" if self.gpus else "")
        return f"{self.workers} times {each}" if self.workers > 1 else each

    @property
    def each(self) -> dict[str, int]:
        return {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {})

    @property
    def scaling(self) -> "ScalingConfig":
        from ray.train import ScalingConfig

        return ScalingConfig(
            num_workers=self.workers, use_gpu=self.gpus > 0, resources_per_worker=dict[str, float](self.each)
        )

    @property
    def bundles(self) -> list[dict[str, float]]:
        return [dict[str, float](self.each) for _ in range(self.workers)]

    def fit_on(self, nodes: Iterable[Mapping[str, float]]) -> bool:
        """Whether there is room for every worker. nodes: what is free on each."""
        workers = [min(node.get(name, 0) // amount for name, amount in self.each.items()) for node in nodes]
        return sum(workers) >= self.workers


def resources_of(training: Training) -> Resources:
    """Resources of a training: all of a node for one worker, an even share of the cluster for several.

    Raises InputError when the cluster cannot hold so many workers.
    """
    nodes = [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in node_resources()]
    gpus = training.gpus_per_worker
    if gpus is None:
        gpus = largest_share([gpu for _, gpu in nodes], training.workers)
    cpus = largest_share([cpu for cpu, gpu in nodes if gpu >= gpus], training.workers)
    if cpus == 0:
        raise InputError(
            "The cluster must hold `workers` times a CPU and `gpus_per_worker`. "
            f"Received {training.workers} workers of {gpus} GPUs for nodes of (CPUs, GPUs): {nodes}."
        )
    return Resources(training.workers, cpus, gpus)


def check_cluster(training: Training) -> None:
    """Raise InputError when the cluster cannot hold the workers of a training, and does not grow."""
    if not ray._private.state.state.get_max_resources_from_cluster_config():
        resources_of(training)


def tell_exposure(training: Training) -> None:
    """Warn of a training whose workers talk by TensorFlow's servers (see `door`)."""
    if training.workers > 1:
        log.warning(
            "While this trains on %s workers, other users of their machines reach TensorFlow at ports %s to "
            "%s and can run code as you: see Firewall in deployments/README.md",
            training.workers,
            PORTS[0],
            PORTS[-1],
        )


def largest_share(nodes: Sequence[int], workers: int) -> int:
    """The most of a resource that each of `workers` can have, none of them spread over two nodes."""
    shares = range(max(nodes, default=0), 0, -1)
    return next((share for share in shares if sum(node // share for node in nodes) >= workers), 0)
