"""Starts processes that serve something, waits until they can be used, and ends them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tasks.errors import JobError

BIN = Path(sys.executable).parent
ROOT = "/"  # where all of it runs: where a user has a `tasks.py`, `prefect deploy` imports that before ours
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 120.0, 10.0, 0.5


@dataclass(frozen=True)
class Service:
    """A process that serves something: its command, where its output goes, and whether it can be used."""

    name: str
    command: Sequence[str]
    log: Path
    ready: Callable[[], bool]


def prefect_server(host: str, port: int, log: Path, login: tuple[str, str] | None, *flags: str) -> Service:
    """A Prefect server; `login` is the user and password that it asks for, if it does."""
    command = [f"{BIN}/prefect", "server", "start", "--host", host, "--port", str(port), *flags]
    return Service("server", command, log, lambda: succeeds(f"http://{host}:{port}/api/health", login))


def start(service: Service, environment: Mapping[str, str]) -> psutil.Popen:
    """Start a service with more variables in its environment.

    It gets a session of its own, which keeps Ctrl-C from it: whoever started it decides when it ends.
    """
    with service.log.open("ab") as log:
        return psutil.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            cwd=ROOT,
            start_new_session=True,
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


def listens(host: str, port: int) -> bool:
    """Whether anything accepts connections at a port."""
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def free_port(host: str) -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
