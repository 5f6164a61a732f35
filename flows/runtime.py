"""How flows reach Prefect's API and Ray: what is configured, else what is started for one command."""

import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any, Self

import certifi
import psutil
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_ray import RayTaskRunner

from deployments.services import (
    LOOPBACK,
    USER,
    end,
    free_port,
    guards,
    prefect_server,
    start,
    wait_until_ready,
)

FLUSH_SECONDS = 10
MEMORY_RETRIES = "3"  # of a task that Ray ends for want of memory; without end by default
QUIET_SERVER = {"PREFECT_LOGGING_ROOT_LEVEL": "CRITICAL", "PREFECT_SERVER_UI_ENABLED": "false"}


def ray_runner() -> RayTaskRunner:
    """Send task runs to the Ray cluster at RAY_ADDRESS, else to a Ray of this run's own.

    "local" says so outright: without it Ray joins whatever cluster it last heard of, dead or not.
    """
    os.environ.setdefault("RAY_task_oom_retries", MEMORY_RETRIES)
    if address := os.environ.get("RAY_ADDRESS"):
        return _RayTaskRunner(address=address, init_kwargs=ray_options())
    return _RayTaskRunner(address="local", init_kwargs=ray_options() | {"include_dashboard": False})


def ray_options() -> dict[str, Any]:
    """Arguments of every `ray.init`.

    Ray hands the path of Python to a shell as it is wherever a worker has an environment of its own, as those
    of Ray Train have: one with a space would never start. (Such a path must then be the same on all nodes.)
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if (quoted := shlex.quote(sys.executable)) != sys.executable:
        options["runtime_env"] = {"py_executable": quoted}
    return options


class _RayTaskRunner(RayTaskRunner):
    """Joins Ray from the root folder: workers look for modules first in the folder their job came from.

    A user's own `tasks.py` or `flows/` there would hide ours.
    """

    def __enter__(self) -> Self:
        with chdir("/"):
            return super().__enter__()


@contextmanager
def prefect_api() -> Iterator[None]:
    """Have one Prefect API for the whole run: the configured one, else a temporary server.

    Its URL and a password of this run go into the environment, where the workers of a local Ray find them; a
    worker without the URL would start a server of its own. Raises JobError when the server does not start.
    """
    if PREFECT_API_URL.value():
        yield
        return
    with TemporaryDirectory(prefix="darkroom-") as folder, one_certificate():
        port, login = free_port(LOOPBACK), (USER, secrets.token_urlsafe())
        url = f"http://{LOOPBACK}:{port}"
        server = prefect_server(LOOPBACK, port, Path(folder, "server.log"), login)
        process = start(server, guards(url, login) | QUIET_SERVER)
        try:
            with ended_with_us(process):
                wait_until_ready(server, process)
                with setting("api.auth_string", ":".join(login)), setting("api.url", f"{url}/api"):
                    yield
        finally:
            APILogWorker.drain_all(timeout=FLUSH_SECONDS)
            EventsWorker.drain_all(timeout=FLUSH_SECONDS)
            end([process])


@contextmanager
def one_certificate() -> Iterator[None]:
    """Have the clients of a Prefect API that speaks plain HTTP read one certificate instead of all.

    Each task run makes four clients, and each of them takes 45 ms of CPU to read them all. Workers must see
    this machine's temporary folder.
    """
    end = "-----END CERTIFICATE-----\n"
    with NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(certifi.contents().partition(end)[0] + end)
        file.flush()
        with setting("api.ssl_cert_file", file.name):
            yield


@contextmanager
def setting(name: str, value: str) -> Iterator[None]:
    """Give a Prefect setting such as `api.url` a value, in the environment too, where Ray workers find it."""
    variable = f"PREFECT_{name.replace('.', '_').upper()}"
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        with temporary_settings({name: value}):
            yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


@contextmanager
def ended_with_us(process: psutil.Process) -> Iterator[None]:
    """See to it that a started process does not outlive this one, even if this one is killed.

    A shell waits on a pipe that only this process holds open; when it closes, the other is told to stop.
    """
    command = ["sh", "-c", f"cat > /dev/null; kill {process.pid}"]
    watch = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        watch.kill()
        watch.wait()
