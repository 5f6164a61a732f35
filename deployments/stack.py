"""`darkroom up`: Prefect server, Ray head and worker of one machine, with everything deployed."""

import fcntl
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from deployments.services import (
    BIN,
    POLL_SECONDS,
    ROOT,
    SERVER,
    Service,
    check_alive,
    check_sockets,
    end,
    free_port,
    listener_at,
    listens,
    plain_environment,
    prefect_server,
    reach_directly,
    start,
    succeeds,
    wait_until_ready,
)
from deployments.settings import POOL, Settings, own_folder
from tasks import storage
from tasks.errors import InputError, JobError
from tasks.process import end_on_signals

MARK = "DARKROOM_STACK"  # stands in the environment of all that a stack started, to find what a dead one left
RAY = "Ray head"
GIVEN = ("images", "inbox")  # folders that a person fills

Running = list[tuple[Service, psutil.Popen]]


def up(settings: Settings) -> None:
    """Run the stack until it is interrupted.

    Raises InputError when a stack of this home runs already or a port is taken, JobError when a part of it
    does not start, or Ray's head ends by itself.
    """
    end_on_signals()
    with suppress(KeyboardInterrupt), only_one(settings), plain_path() as python, all_stopped() as running:
        reach_directly(settings.host)
        ray, *others, worker = services(settings, python)
        launch_ray(ray, settings, running)
        for service in others:
            launch(service, settings, running)
        print(run_command(settings, sys.executable, "-P", "-m", "deployments.deploy"), end="")
        launch(worker, settings, running)  # last: its pool is deployed first
        for line in addresses(settings):
            print(line, flush=True)
        while True:
            keep_alive(settings, running)
            time.sleep(POLL_SECONDS)


def launch_ray(ray: Service, settings: Settings, running: Running) -> None:
    """Start Ray's head, before anything else obeys the password.

    Ray takes its port itself, and tells its token to whoever took it before: where it does not start, a
    password that was made up is forgotten, and another is made up the next time.
    """
    try:
        launch(ray, settings, running)
    except JobError as error:
        if not settings.password:
            settings.password_file.unlink()
        raise JobError(
            f"{error} If another program took port {settings.ray_port} meanwhile, it knows the password now: "
            + ("set DARKROOM_PASSWORD to another." if settings.password else "another will be made up.")
        ) from error


def launch(service: Service, settings: Settings, running: Running) -> None:
    print(f"Starting {service.name}", flush=True)
    process = start(service, environment(settings))
    running.append((service, process))
    wait_until_ready(service, process)


def keep_alive(settings: Settings, running: Running) -> None:
    """Start again what has ended: runs wait for the server, and go on without the worker that began them.

    Not so Ray's head, with which its whole cluster is lost: JobError.
    """
    for index, (service, process) in enumerate(running):
        if process.poll() is not None:
            if service.name == RAY:
                check_alive(service, process)
            print(f"The {service.name} ended with status {process.returncode}; it starts again", flush=True)
            process = start(service, environment(settings))
            running[index] = service, process
            wait_until_ready(service, process)


def services(settings: Settings, python: Path) -> list[Service]:
    """What runs, in the order in which it starts."""
    check_sockets()
    check_free(settings.host, settings.ray_port, "DARKROOM_RAY_PORT")
    server_listener = listener(settings.host, settings.port, "DARKROOM_PORT")
    files_listener = listener(settings.host, settings.files_port, "DARKROOM_FILES_PORT")
    host, ray_port, logs = settings.host, settings.ray_port, settings.folder / "logs"
    client_port = free_port(host)  # else fixed, and that of another stack
    ray = [str(python), f"{BIN}/ray", "start", "--head", "--block", "--disable-usage-stats"]
    ray += ["--node-ip-address", host, "--port", str(ray_port), "--ray-client-server-port", str(client_port)]
    # Its dashboard keeps the token, which is the password, in a cookie, which browsers send to every port.
    ray += ["--include-dashboard", "false", "--dashboard-agent-listen-port", "0"]
    files = [sys.executable, "-m", "deployments.files", str(files_listener.fileno())]
    worker = [f"{BIN}/prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    pool_url = f"{settings.url}/api/work_pools/{POOL}"
    return [
        Service(RAY, ray, logs / "ray.log", lambda: is_head(settings)),
        prefect_server(host, server_listener, logs / "server.log", settings.login),
        Service(
            "report server",
            files,
            logs / "files.log",
            lambda: succeeds(settings.review_url, settings.login),
            files_listener,
        ),
        Service("Prefect worker", worker, logs / "worker.log", lambda: succeeds(pool_url, settings.login)),
    ]


@contextmanager
def plain_path() -> Iterator[Path]:
    """Python by a path that a shell takes as it is: Ray's own servers do not start from one with a space."""
    python = Path(sys.executable)
    if shlex.quote(str(python)) == str(python):
        yield python
        return
    with TemporaryDirectory(prefix="darkroom-") as folder:
        link = Path(folder, "environment")
        link.symlink_to(sys.prefix)
        yield link / python.relative_to(sys.prefix)


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Refuse a second stack or node of the same home, and end what a dead one left running."""
    own_folder(settings.folder)
    (settings.folder / "logs").mkdir(mode=0o700, exist_ok=True)
    with open(settings.folder / "up.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"A stack or a node runs in {str(settings.folder)!r} already: stop it, or set DARKROOM_HOME "
                "(a second stack: DARKROOM_PORT, DARKROOM_RAY_PORT and DARKROOM_FILES_PORT too) to others."
            ) from None
        if left := marked(settings):
            print(f"Ending {len(left)} processes that a dead one left")
            end(left)
        try:
            yield
        finally:
            end(marked(settings))


@contextmanager
def all_stopped() -> Iterator[Running]:
    """Hold the services that run, and stop them in the end; the server last, which the others tell things."""
    running: Running = []
    try:
        yield running
    finally:
        end([process for service, process in running if service.name != SERVER])
        end([process for service, process in running if service.name == SERVER])


def environment(settings: Settings) -> Mapping[str, str]:
    """What the processes of a stack find in their environment."""
    return {**plain_environment(), **settings.environment, MARK: str(settings.folder)}


def run_command(settings: Settings, *command: str) -> str:
    """Run a command against the stack's server. Returns what it printed; JobError with that if it fails."""
    process = subprocess.run(command, env=environment(settings), cwd=ROOT, capture_output=True, text=True)
    if process.returncode:
        raise JobError(f"`{' '.join(command)}` failed: {(process.stderr or process.stdout).strip()}")
    return process.stdout


def is_head(settings: Settings) -> bool:
    """Whether a process of this stack listens at the port of Ray's head."""
    ports: set[int] = set()
    for process in marked(settings):
        with suppress(psutil.Error):
            places = process.net_connections("tcp")
            ports.update(place.laddr.port for place in places if place.status == psutil.CONN_LISTEN)
    return settings.ray_port in ports


def listener(host: str, port: int, variable: str) -> socket.socket:
    """A socket that listens at a port; InputError where that cannot be."""
    check_free(host, port, variable)
    try:
        return listener_at(host, port)
    except OSError as error:
        raise InputError(
            f"DARKROOM_HOST and {variable} must be where this machine can listen. "
            f"Received {host!r} and {port} ({error.strerror})."
        ) from error


def check_free(host: str, port: int, variable: str) -> None:
    if listens(host, port):
        raise InputError(
            f"Port {port} of {host} must be free: stop what listens there, or set {variable} to another."
        )


def marked(settings: Settings) -> list[psutil.Process]:
    """All that a stack of this home started and that still runs, Ray's and Prefect's own children too."""
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(settings.folder):
                processes.append(process)
    return processes


def addresses(settings: Settings) -> Iterator[str]:
    """Lines that say where everything is."""
    yield f"UI: {settings.url}"
    if not settings.password:
        kept = f"PASSWORD stands in {settings.password_file}"
        yield f"  It asks for admin:PASSWORD, the reports for admin and PASSWORD. {kept}"
    for name, place in settings.places.items():
        yield f"{name.capitalize()}: {place}"
        if name in GIVEN and storage.is_local(place) and not Path(place).is_dir():
            yield f"  There is no such folder yet: make it, or set DARKROOM_{name.upper()}."
    if "store" in settings.served:
        yield f"Reports, once there are any: {settings.files_url}/"
    yield f"Questions worth a minute: {settings.review_url}"
    yield f"Logs: {settings.folder / 'logs'}"
    yield "Ctrl-C stops all of it."
