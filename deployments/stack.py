"""`darkroom up`: Prefect server, Ray head and worker of one machine, with everything deployed."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from deployments.settings import POOL, Settings
from tasks.errors import InputError, JobError

BIN = Path(sys.executable).parent
ROOT = "/"  # where all of it runs: where a user has a `tasks.py`, `prefect deploy` imports that before ours
FILE = Path(__file__).with_name("prefect.yaml")
MARK = "DARKROOM_STACK"  # stands in the environment of all that a stack started, to find what a dead one left
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 120.0, 10.0, 0.5


@dataclass(frozen=True)
class Service:
    """A process of the stack, and how to tell that it can be used."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]


def up(settings: Settings) -> None:
    """Run the stack until it is interrupted.

    Raises InputError when a stack of this home runs already or a port is taken, JobError when a part of it
    does not start or ends by itself.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: it is to outlive its terminal
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    with suppress(KeyboardInterrupt), only_one(settings), all_stopped() as running:
        for service in services(settings):
            running[service.name] = start(service, settings)
            wait_for(service, running[service.name], settings)
        carry_out(settings, f"{BIN}/prefect", "--no-prompt", "deploy", "--prefect-file", str(FILE), "--all")
        carry_out(settings, sys.executable, "-m", "deployments.automations")
        for line in told(settings):
            print(line, flush=True)
        while True:
            for name, process in running.items():
                check_alive(name, process, settings)
            time.sleep(POLL_SECONDS)


def services(settings: Settings) -> list[Service]:
    """What runs, in the order in which one needs the other."""
    for variable in ("port", "ray_port", "files_port"):
        check_free(settings.host, getattr(settings, variable), f"DARKROOM_{variable.upper()}")
    host, port, ray_port = settings.host, str(settings.port), settings.ray_port
    server = [f"{BIN}/prefect", "server", "start", "--host", host, "--port", port]
    ray = [f"{BIN}/ray", "start", "--head", "--block", "--node-ip-address", host, "--port", str(ray_port)]
    ray += ["--dashboard-host", host, "--disable-usage-stats"]
    files = [sys.executable, "-m", "deployments.files"]
    worker = [f"{BIN}/prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    return [
        Service("server", server, lambda: found(settings, "health")),
        Service("ray", ray, lambda: answers(host, ray_port)),
        Service("files", files, lambda: answers(host, settings.files_port)),
        Service("worker", worker, lambda: found(settings, f"work_pools/{POOL}")),
    ]


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Refuse a second stack of the same home, and end what a dead one left running."""
    (settings.folder / "logs").mkdir(parents=True, exist_ok=True)
    with open(settings.folder / "up.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"A stack runs in {str(settings.folder)!r} already: stop it, or set DARKROOM_HOME, "
                "DARKROOM_PORT, DARKROOM_RAY_PORT and DARKROOM_FILES_PORT to others."
            ) from None
        if left := marked(settings):
            print(f"Ending {len(left)} processes of a stack that died")
            end(left)
        try:
            yield
        finally:
            end(marked(settings))


@contextmanager
def all_stopped() -> Iterator[dict[str, psutil.Popen]]:
    """Hold the services that run, and stop them in the end; the server last, which the others tell things."""
    running: dict[str, psutil.Popen] = {}
    try:
        yield running
    finally:
        server, others = list(running.values())[:1], list(running.values())[1:]
        end(others)
        end(server)


def start(service: Service, settings: Settings) -> psutil.Popen:
    """Start a service in a session of its own, which keeps Ctrl-C from it."""
    with open(log_of(service.name, settings), "ab") as log:
        return psutil.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(settings),
            cwd=ROOT,
            start_new_session=True,
        )


def wait_for(service: Service, process: psutil.Popen, settings: Settings) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not service.ready():
        check_alive(service.name, process, settings)
        if time.monotonic() > deadline:
            raise JobError(f"The {service.name} does not answer: see {log_of(service.name, settings)}.")
        time.sleep(POLL_SECONDS)


def environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **settings.environment, MARK: str(settings.folder)}


def carry_out(settings: Settings, *command: str) -> None:
    """Run a command against the stack's server; JobError with what it said if it fails."""
    done = subprocess.run(command, env=environment(settings), cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise JobError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()}")


def found(settings: Settings, path: str) -> bool:
    """Whether the server answers a question about `path` with yes."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"{settings.url}/api/{path}", auth=settings.login).is_success
    return False


def answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def check_free(host: str, port: int, variable: str) -> None:
    if answers(host, port):
        raise InputError(
            f"Port {port} of {host} must be free: stop what listens there, or set {variable} to another."
        )


def check_alive(name: str, process: psutil.Popen, settings: Settings) -> None:
    if process.poll() is not None:
        raise JobError(f"The {name} ended with status {process.returncode}: see {log_of(name, settings)}.")


def log_of(name: str, settings: Settings) -> Path:
    return settings.folder / "logs" / f"{name}.log"


def marked(settings: Settings) -> list[psutil.Process]:
    """All that a stack of this home started and that still runs, Ray's and Prefect's own children too."""
    mine = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(settings.folder):
                mine.append(process)
    return mine


def end(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, STOP_SECONDS)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, STOP_SECONDS)


def told(settings: Settings) -> Iterator[str]:
    """Where everything is."""
    yield f"UI: {settings.url}"
    for name, place in settings.places.items():
        yield f"{name.capitalize()}: {place}"
    if "store" in settings.served:
        yield f"Reports, once there are any: {settings.files_url}/store/index.html"
    yield f"Logs: {settings.folder / 'logs'}"
    yield "Ctrl-C stops all of it."
