"""How the workers of a training learn one another's addresses. Loads Ray Train, which takes half a second."""

import json
import os
import socket
from collections.abc import Sequence
from itertools import chain
from typing import Any

import ray
from ray.train.backend import Backend, BackendConfig

from tasks.training.door import address_towards, admit, open_door

_doors: list[socket.socket] = []  # of this worker: open as long as it lives


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
