"""Where the workers of a training listen, whom they answer, and who is told so."""

import os
import socket
import sys
from collections.abc import Iterator

import pytest

from tasks.errors import JobError
from tasks.parameters import Training
from tasks.training import cluster, door


@pytest.fixture
def kept() -> Iterator[socket.socket]:
    kept = door.open_door()
    yield kept
    kept.shutdown(socket.SHUT_RDWR)
    kept.close()


def test_a_port_is_kept_where_a_firewall_expects_it(kept: socket.socket, monkeypatch: pytest.MonkeyPatch):
    port = kept.getsockname()[1]
    assert port in range(20_000, 21_000)  # as deployments/README.md says
    monkeypatch.setattr(door, "PORTS", range(port, port + 1))
    with pytest.raises(JobError, match="must have one of the ports"):
        door.open_door()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can tell connections apart")
def test_workers_are_reached_from_the_addresses_of_the_cluster_alone(kept: socket.socket, monkeypatch):
    """The second socket at the port stands for TensorFlow's, which listens as it does."""
    monkeypatch.delenv(door.REUSE, raising=False)
    port = kept.getsockname()[1]
    door.admit(kept, ["10.1.2.3", "127.0.0.1", "fd00::1", door.address_towards("127.0.0.1", port)])
    assert os.environ[door.REUSE] == "1"
    with socket.socket(kept.family) as tensorflow:
        tensorflow.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        tensorflow.bind(("", port))
        tensorflow.listen()
        tensorflow.settimeout(5)
        for address, is_let_in in {"127.0.0.1": True, "127.0.0.2": False}.items():
            for _ in range(8):
                with socket.create_connection(("127.0.0.1", port), 5, (address, 0)) as client:
                    if is_let_in:
                        tensorflow.accept()[0].close()
                    assert client.recv(1) == b""
        tensorflow.settimeout(0.1)
        with pytest.raises(TimeoutError):
            tensorflow.accept()


@pytest.mark.parametrize("workers", [1, 2])
def test_who_trains_on_several_workers_is_told_who_else_reaches_them(workers: int, caplog):
    cluster.tell_exposure(Training(workers=workers))
    assert ("can run code as you" in caplog.text) == (workers > 1)
