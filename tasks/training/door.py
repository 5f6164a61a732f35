"""The port of TensorFlow's server in a training on several workers, open to their addresses alone.

TensorFlow listens on all addresses of a machine and asks nobody who they are. So a socket of ours listens at
the port before it does (both with SO_REUSEPORT), and a program that Linux runs for each connection hands
those from elsewhere to ours, which closes them. Other users of the workers' machines come from the same
addresses: they are let in. Source: socket(7) on SO_ATTACH_REUSEPORT_CBPF; opcodes of bpf's classic programs.
"""

import ctypes
import ipaddress
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

from tasks.errors import JobError

PORTS = range(20_000, 21_000)  # of TensorFlow's servers, all of them for one rule of a firewall
APART = 37  # ports: where workers of one machine begin their search
REUSE = "TF_GRPC_REUSE_PORT"  # has TensorFlow share its port with processes of the same user
ATTACH = 51  # SO_ATTACH_REUSEPORT_CBPF, which Python does not name
NETWORK = -0x100000  # where a program finds the header of a packet
BYTE, WORD, IF_EQUAL, SHIFT_RIGHT, RETURN = 0x30, 0x20, 0x15, 0x74, 0x06
SOURCE = {4: 12, 6: 8}  # where in the header it stands who sent a packet, by version of IP
OURS, TENSORFLOWS = 0, 1  # in the order in which they listen


def open_door() -> socket.socket:
    """A socket that listens at a port of PORTS and keeps it for TensorFlow, whom nobody reaches yet.

    Raises JobError where all of them are taken.
    """
    start = os.getpid() * APART % len(PORTS)
    for port in (*PORTS[start:], *PORTS[:start]):
        with suppress(OSError):
            door = listen(port)
            threading.Thread(target=turn_away, args=(door,), daemon=True).start()
            return door
    raise JobError(f"A worker must have one of the ports {PORTS[0]} to {PORTS[-1]}. All of them are taken.")


def listen(port: int) -> socket.socket:
    """Listen on all addresses, as TensorFlow does: by IPv6 for both where this machine has it."""
    family = socket.AF_INET6 if has_ipv6() else socket.AF_INET
    door = socket.socket(family)
    try:
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        door.bind(("", port))  # without SO_REUSEPORT yet: the port must be nobody's
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        door.listen(1)
    except OSError:
        door.close()
        raise
    return door


def turn_away(door: socket.socket) -> None:
    """Close what is connected to a door: strangers, and workers that come before TensorFlow is there."""
    with suppress(OSError):
        while True:
            door.accept()[0].close()


def has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def admit(door: socket.socket, addresses: Iterable[str]) -> None:
    """Let TensorFlow listen at the port too, and connections from these addresses reach it.

    On what is not Linux all do.
    """
    os.environ[REUSE] = "1"
    if sys.platform == "linux":
        program = b"".join(instructions(addresses))
        code = ctypes.create_string_buffer(program)
        given = struct.pack("HL", len(program) // 8, ctypes.addressof(code))
        door.setsockopt(socket.SOL_SOCKET, ATTACH, given)


def instructions(addresses: Iterable[str]) -> Iterator[bytes]:
    """A program that says TENSORFLOWS of packets from these addresses, OURS of others."""
    for address in sorted(set(addresses)):
        ip = ipaddress.ip_address(address)
        words = struct.unpack(f">{len(ip.packed) // 4}I", ip.packed)
        yield instruction(BYTE, NETWORK)
        yield instruction(SHIFT_RIGHT, 4)
        yield instruction(IF_EQUAL, ip.version, otherwise=2 * len(words) + 1)
        for number, word in enumerate(words):
            yield instruction(WORD, NETWORK + SOURCE[ip.version] + 4 * number)
            yield instruction(IF_EQUAL, word, otherwise=2 * (len(words) - number) - 1)
        yield instruction(RETURN, TENSORFLOWS)
    yield instruction(RETURN, OURS)


def instruction(code: int, value: int, otherwise: int = 0) -> bytes:
    """otherwise: how many instructions are left out where a comparison fails."""
    return struct.pack("HBBI", code, 0, otherwise, value & 0xFFFFFFFF)


def address_towards(host: str, port: int) -> str:
    """Which of this machine's addresses a host sees when we speak to it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))  # sends nothing
        return str(probe.getsockname()[0])
