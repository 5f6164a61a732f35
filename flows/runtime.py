"""The one place that knows how to reach Prefect's API and Ray."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from functools import partial
from tempfile import NamedTemporaryFile
from typing import Any, Self
from unittest.mock import patch

import certifi
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_SSL_CERT_FILE, PREFECT_API_URL, temporary_settings
from prefect.settings.legacy import Setting
from prefect_ray import RayTaskRunner

FLUSH_SECONDS = 10
START_SECONDS = 120  # Prefect's own 20 are too few for a busy machine
QUIET_SERVER = {"PREFECT_LOGGING_ROOT_LEVEL": "CRITICAL", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def ray_runner() -> RayTaskRunner:
    """Send task runs to the Ray cluster at RAY_ADDRESS, else to a Ray of this run's own.

    "local" says so outright: without it Ray joins whatever cluster it last heard of, dead or not.
    """
    if address := os.environ.get("RAY_ADDRESS"):
        return _RayTaskRunner(address=address, init_kwargs=ray_options())
    return _RayTaskRunner(address="local", init_kwargs=ray_options() | {"include_dashboard": False})


def ray_options() -> dict[str, Any]:
    """What every `ray.init` of ours is told.

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

    Its URL goes into the environment, where the workers of a local Ray find it; a worker without it would
    start a server of its own.
    """
    if PREFECT_API_URL.value():
        yield
        return
    from prefect.server.api.server import SubprocessASGIServer  # 3 s that a run with an API does not wait

    os.environ |= QUIET_SERVER
    with one_certificate():
        server = SubprocessASGIServer()
        with patch.object(subprocess, "Popen", partial(subprocess.Popen, start_new_session=True)):
            server.start(START_SECONDS)  # in its own session: Ctrl-C must not end it before the run told it
        try:
            with _set(PREFECT_API_URL, server.api_url), _ended_with_us(server.server_process):
                yield
        finally:
            APILogWorker.drain_all(timeout=FLUSH_SECONDS)
            EventsWorker.drain_all(timeout=FLUSH_SECONDS)
            server.stop()


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
        with _set(PREFECT_API_SSL_CERT_FILE, file.name):
            yield


@contextmanager
def _set(setting: Setting, value: str) -> Iterator[None]:
    """Give a Prefect setting a value, in the environment too: the workers of a local Ray find it there."""
    before = os.environ.get(setting.name)
    os.environ[setting.name] = value
    try:
        with temporary_settings({setting: value}):
            yield
    finally:
        if before is None:
            del os.environ[setting.name]
        else:
            os.environ[setting.name] = before


@contextmanager
def _ended_with_us(process: subprocess.Popen | None) -> Iterator[None]:
    """See to it that a started server does not outlive this process, even if that is killed.

    A shell waits on a pipe that only this process holds open; when it closes, the server is told to stop.
    """
    if process is None:
        raise RuntimeError("The temporary Prefect server has not been started.")
    command = ["sh", "-c", f"cat > /dev/null; kill {process.pid}"]
    watch = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        watch.kill()
        watch.wait()
