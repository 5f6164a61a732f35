"""Starts processes that serve something, waits until they can be used, and ends them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tasks.errors import InputError, JobError

BIN = Path(sys.executable).parent
USER = "admin"
SERVER = "Prefect server"
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = (LOOPBACK, "localhost")
RAY_ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # "0" keeps all of Ray on loopback, on Linux too
RAY_HIDE_GPUS = "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"  # "1": who asks for no GPU sees none
ROOT = "/"  # where all of it runs: where a user has a `tasks.py`, `prefect deploy` imports that before ours
BACKLOG = 2048  # connections that wait while a server starts
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 120.0, 10.0, 0.5
NO_PROXY = ("no_proxy", "NO_PROXY")  # some read one, some the other
RAY_WORKER_PORTS = range(10_002, 20_000)  # that Ray gives its workers; nothing else of it may have one
OTHERS = (
    "PREFECT_API_",
    "PREFECT_SERVER_",
    "PREFECT_HOME",
    "PREFECT_PROFILE",
)  # of another Prefect


@dataclass(frozen=True)
class Service:
    """A process that serves something: its command, where its output goes, and whether it can be used.

    listener: what it takes connections from, which its command names by its number (see `listener_at`).
    """

    name: str
    command: Sequence[str]
    log: Path
    ready: Callable[[], bool]
    listener: socket.socket | None = None


def listener_at(host: str, port: int) -> socket.socket:
    """A socket that listens at a port, for a service that is to inherit it. OSError where the port is taken.

    Any user of this machine sees in the list of processes which port a server is about to listen at. Whoever
    took it meanwhile would be told the password by all who ask there.
    """
    return socket.create_server((host, port), backlog=BACKLOG)


def prefect_server(host: str, listener: socket.socket, log: Path, login: tuple[str, str]) -> Service:
    """A Prefect server; it must find `guards` in its environment."""
    command = [sys.executable, "-m", "deployments.server", host, str(listener.fileno())]
    url = f"http://{host}:{listener.getsockname()[1]}/api/admin/version"
    return Service(SERVER, command, log, lambda: succeeds(url, login), listener)


def guards(url: str, login: tuple[str, str]) -> dict[str, str]:
    """Environment of a Prefect server at a URL: it obeys who knows user and password, and its own pages.

    Whoever may write to a Prefect server runs code as whoever runs Darkroom: all users of this machine reach
    loopback, and so does every web page in a browser on it.
    """
    return {
        "PREFECT_SERVER_API_AUTH_STRING": ":".join(login),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": url,
    }


def plain_environment() -> dict[str, str]:
    """Our environment without the addresses, passwords and databases of another Prefect server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}


def reach_directly(*hosts: str) -> None:
    """Have this process and those it starts ask no proxy for what runs on these hosts or on loopback."""
    names = {host for name in NO_PROXY for host in os.environ.get(name, "").split(",") if host}
    for name in NO_PROXY:
        os.environ[name] = ",".join(sorted(names.union(LOOPBACK_NAMES, hosts)))


def check_sockets() -> None:
    """Raise InputError when the paths of Ray's sockets would be longer than a socket's may be, or others may
    put sockets there: Ray lets every user write to its sessions.
    """
    from tasks.storage import LONGEST_RAY_FOLDER, check_own  # not at the start of every server

    if given := os.environ.get("RAY_TMPDIR"):
        check_own(Path(given).resolve(), "set RAY_TMPDIR to a folder of your own")
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    if len(os.fsencode(folder)) > LONGEST_RAY_FOLDER:
        raise InputError(
            f"TMPDIR must be at most {LONGEST_RAY_FOLDER} bytes long, for Ray's sockets; RAY_TMPDIR "
            f"may name a shorter folder of your own. Received: {folder!r}."
        )


def start(service: Service, environment: Mapping[str, str]) -> psutil.Popen:
    """Start a service in an environment.

    It gets a session of its own, which keeps Ctrl-C from it: whoever started it decides when it ends.
    """
    with service.log.open("ab") as log:
        return psutil.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
            pass_fds=[service.listener.fileno()] if service.listener else [],
        )


def wait_until_ready(service: Service, process: psutil.Popen) -> None:
    """Raise JobError when the service ends, or cannot be used after START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not service.ready():
        check_alive(service, process)
        if time.monotonic() > deadline:
            raise JobError(f"The {service.name} does not answer: see {service.log}.")
        time.sleep(POLL_SECONDS)


def check_alive(service: Service, process: psutil.Popen) -> None:
    """Raise JobError when the process of a service has ended."""
    if process.poll() is not None:
        raise JobError(f"The {service.name} ended with status {process.returncode}: see {service.log}.")


def end(processes: Sequence[psutil.Process]) -> None:
    """Terminate processes; those that have not ended after STOP_SECONDS are killed."""
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(processes, STOP_SECONDS)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, STOP_SECONDS)


def succeeds(url: str, login: tuple[str, str] | None = None) -> bool:
    """Whether a web server answers a request with success."""
    with suppress(httpx.HTTPError):
        return httpx.get(url, auth=login).is_success
    return False


def listens(host: str, port: int, seconds: float = 1.0) -> bool:
    """Whether anything accepts connections at a port."""
    with suppress(OSError), socket.create_connection((host, port), timeout=seconds):
        return True
    return False


def free_port(host: str) -> int:
    """A port that nothing listens on now, and that Ray does not keep for its workers."""
    return free_ports(host, 1)[0]


def free_ports(host: str, count: int) -> list[int]:
    """Different such ports."""
    with ExitStack() as probes:
        ports: list[int] = []
        while len(ports) < count:
            probe = probes.enter_context(socket.socket())
            probe.bind((host, 0))
            if (port := probe.getsockname()[1]) not in RAY_WORKER_PORTS:
                ports.append(port)
    return ports
