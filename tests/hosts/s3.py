"""What lies in the bucket of a machine, read and written from outside: plain HTTP, into its network."""

import ctypes
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from xml.etree import ElementTree

from tests.hosts.machines import Machine

NETWORK_SPACE = 0x40000000  # CLONE_NEWNET
SECONDS = 120.0  # the machines share the processors of one


def connected(machine: Machine, port: int) -> socket.socket:
    """A socket of a machine's network, connected to a port of it. Only the thread that makes it goes in."""

    def connect() -> socket.socket:
        with open(f"/proc/{machine.pid}/ns/net") as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), NETWORK_SPACE):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return socket.create_connection((machine.address, port), SECONDS)

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(connect).result()


class Bucket:
    def __init__(self, machine: Machine, port: int, name: str):
        self._machine, self._port, self._name = machine, port, name

    def get(self, key: str) -> bytes | None:
        status, body = self._ask("GET", key)
        return body if status == 200 else None

    def put(self, key: str, body: bytes) -> None:
        status, answer = self._ask("PUT", key, body)
        assert status == 200, answer

    def keys(self, prefix: str) -> list[str]:
        """At most 1,000, sorted."""
        status, body = self._ask("GET", f"?list-type=2&prefix={prefix}")
        if status != 200:  # moto lists what others are writing to; it trips over that now and then
            return self.keys(prefix)
        return [
            element.text for element in ElementTree.fromstring(body).iter() if element.tag.endswith("Key")
        ]

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = HTTPConnection(self._machine.address, self._port)
        connection.sock = connected(self._machine, self._port)
        try:
            connection.request(method, f"/{self._name}/{path}", body, {"Authorization": "AWS x:x"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
