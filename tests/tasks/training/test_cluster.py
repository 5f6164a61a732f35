"""Where the workers of a training listen, which no password guards, and who is told so."""

import socket
from contextlib import ExitStack

import pytest
import ray

from tasks.errors import JobError
from tasks.parameters import Training
from tasks.training import cluster


def test_workers_listen_where_a_firewall_expects_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "10.0.0.2")
    with ExitStack() as taken:
        for _ in range(2):
            host, _, port = cluster._free_address().rpartition(":")
            assert host == "10.0.0.2"
            assert int(port) in range(20_000, 21_000)  # as deployments/README.md says
            taken.enter_context(socket.create_server(("", int(port))))
        monkeypatch.setattr(cluster, "PORTS", range(int(port), int(port) + 1))
        with pytest.raises(JobError, match="must have one of the ports"):
            cluster._free_address()


@pytest.mark.parametrize("workers", [1, 2])
def test_who_trains_on_several_workers_is_told_who_else_reaches_them(workers: int, caplog):
    cluster.tell_exposure(Training(workers=workers))
    assert ("can run code there" in caplog.text) == (workers > 1)
