"""The resources that a training asks Ray for, and how its workers learn one another's addresses."""

import json
import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import ray
import ray._private.state
import ray.train
from ray.train.backend import Backend, BackendConfig

from tasks.errors import InputError
from tasks.parameters import Training
from tasks.training.door import PORTS, address_towards, admit, open_door

_doors: list[socket.socket] = []  # of this worker: open as long as it lives

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
    def scaling(self) -> ray.train.ScalingConfig:
        return ray.train.ScalingConfig(
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
    nodes = [
        (int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]
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


class _TensorflowBackend(Backend):
    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:  # noqa: ARG002
        addresses = worker_group.execute(_free_address)
        sources = list(chain.from_iterable(worker_group.execute(_sources, addresses)))
        for index in range(len(addresses)):
            cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            worker_group.execute_single(index, _join_cluster, json.dumps(cluster), sources)


class TensorflowCluster(BackendConfig):
    """Gives every worker the addresses of all, as Ray's TensorflowConfig does.

    That one cannot be imported without TensorFlow, which would cost the task and Ray Train's controller
    6 s and 850 MB each for every model.
    """

    @property
    def backend_cls(self) -> type[Backend]:
        return _TensorflowBackend


def _free_address() -> str:
    """This node's address in the cluster and a port that is kept for TensorFlow, as TF_CONFIG wants them."""
    _doors.append(open_door())
    host, port = ray.util.get_node_ip_address(), _doors[-1].getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _sources(addresses: Sequence[str]) -> list[str]:
    """The addresses of this node that the workers at others see, and that it has itself."""
    places = [address.rpartition(":") for address in addresses]
    return [address_towards(host.strip("[]"), int(port)) for host, _, port in places]


def _join_cluster(cluster: str, sources: Sequence[str]) -> None:
    admit(_doors[-1], sources)
    os.environ["TF_CONFIG"] = cluster
