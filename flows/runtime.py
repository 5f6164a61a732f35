"""How flows reach Prefect's API and Ray: what is configured, else what is started for one command."""

import os
import secrets
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any, Self, TypeVar
from uuid import UUID

import certifi
import httpx
import prefect
import psutil
import ray
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_HOME,
    temporary_settings,
)
from prefect_ray import RayTaskRunner
from pydantic import BaseModel

from deployments.services import (
    BIN,
    LOOPBACK,
    USER,
    check_sockets,
    end,
    free_port,
    guards,
    listener_at,
    listens,
    plain_environment,
    prefect_server,
    reach_directly,
    start,
    wait_until_ready,
)
from deployments.settings import CLIENT_RETRIES
from tasks.errors import InputError, JobError
from tasks.form import unfold
from tasks.process import restored_signal
from tasks.storage import in_environment

Model = TypeVar("Model", bound=BaseModel)

FLUSH_SECONDS = 10
HEALTH_SECONDS = 40.0  # half of a minute is Ray's own patience, beside the imports of its command
ANSWER_SECONDS = 10.0  # what a server that is there takes at most
QUIET_SERVER = {"PREFECT_LOGGING_ROOT_LEVEL": "CRITICAL", "PREFECT_SERVER_UI_ENABLED": "false"}

for _client in (PrefectHttpxSyncClient, PrefectHttpxAsyncClient):
    # Prefect tries again only with a client that has reached the server before, and makes new ones all the
    # time: a server that restarts would fail a run. Whether there is one at all is asked by check_prefect.
    _client._has_connected = property(lambda _: True, lambda _, __: None)  # type: ignore[assignment]


def ray_runner() -> RayTaskRunner:
    """Send task runs to the Ray cluster at RAY_ADDRESS, else to a Ray of this run's own.

    "local" says so outright: without it Ray joins whatever cluster it last heard of, dead or not.
    """
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

    A user's own `tasks.py` or `flows/` there would hide ours. A Ray that is not there fails in one line.
    """

    def __enter__(self) -> Self:
        try:
            if not ray.is_initialized():  # in a worker it is: a link that is cut meanwhile comes back
                check_ray()
            with chdir("/"), restored_signal(signal.SIGTERM):  # Ray's would exit before Prefect is told
                return super().__enter__()
        except (InputError, JobError):
            raise
        except Exception as error:  # of a bare one, where the machine is too busy for it to start in time
            reason = " ".join(str(error).split())
            raise JobError(f"Ray ({self.address}) cannot be used: {reason}") from error


def check_ray() -> None:
    """Raise InputError when Ray cannot start here, or none answers at RAY_ADDRESS; Ray would try for long."""
    if address := os.environ.get("RAY_ADDRESS"):
        check_address(address)
    else:
        check_sockets()


@cache
def check_address(address: str) -> None:
    """Raise InputError when no Ray answers at an address; one that has answered is not asked again."""
    if ":" in address:
        host, _, port = address.rpartition("//")[2].rpartition(":")
        is_there = port.isdecimal() and listens(host, int(port), ANSWER_SECONDS)
        if not is_there or not is_healthy(f"{host}:{port}"):
            raise InputError(
                "RAY_ADDRESS must be that of a Ray cluster that runs; unset it to have one of the run's own. "
                f"No Ray answers at {address!r}."
            )


def is_healthy(address: str) -> bool:
    """Whether the head of a Ray cluster answers, and takes our token."""
    command = [f"{BIN}/ray", "status", "--address", address]
    try:
        return subprocess.run(command, capture_output=True, timeout=HEALTH_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def check_prefect() -> None:
    """Raise InputError when no Prefect API answers at the configured URL, or it wants another password."""
    patience = {"timeout": httpx.Timeout(ANSWER_SECONDS)}
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), get_client(patience, True) as client:
            client.raise_for_api_version_mismatch()
    except (httpx.HTTPError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise InputError(
            "PREFECT_API_URL must be that of a Prefect server that runs, such as http://127.0.0.1:4200/api, "
            "PREFECT_API_AUTH_STRING its password; unset them to have a server of the run's own. "
            f"Received: {PREFECT_API_URL.value()!r} ({reason})."
        ) from error


@contextmanager
def prefect_api() -> Iterator[None]:
    """Have one Prefect API for the whole run: the configured one, else a temporary server.

    Its URL and a password of this run go into the environment, where the workers of a local Ray find them; a
    worker without the URL would start a server of its own. Raises InputError when none answers or Ray cannot
    be used, JobError when the server does not start.
    """
    reach_directly()
    check_ray()
    with setting("client.max_retries", CLIENT_RETRIES):
        if PREFECT_API_URL.value():
            check_prefect()
            yield
            return
        login = USER, secrets.token_urlsafe()
        with (
            one_certificate(),
            temporary_server(login) as (url, wait_for_server),
            setting("api.auth_string", ":".join(login)),
            setting("api.url", f"{url}/api"),
            ray_runner(),  # Ray starts while the server does; the flow's own runner then joins it
        ):
            wait_for_server()
            yield


@contextmanager
def temporary_server(login: tuple[str, str]) -> Iterator[tuple[str, Callable[[], None]]]:
    """A Prefect server of this run's own: yields its URL, and a function that waits until it answers.

    Its database is no other Prefect's.
    """
    home, port = own_home(), free_port(LOOPBACK)
    url = f"http://{LOOPBACK}:{port}"
    own = guards(url, login) | QUIET_SERVER | {"PREFECT_HOME": str(home)}
    with listener_at(LOOPBACK, port) as listener, TemporaryDirectory(prefix="darkroom-") as folder:
        server = prefect_server(LOOPBACK, listener, Path(folder, "server.log"), login)
        process = start(server, plain_environment() | own)
        try:
            with ended_with_us(process):
                yield url, partial(wait_until_ready, server, process)
        finally:
            APILogWorker.drain_all(timeout=FLUSH_SECONDS)
            EventsWorker.drain_all(timeout=FLUSH_SECONDS)
            end([process])


def own_home() -> Path:
    """The folder of our servers of this version of Prefect: a database of another would be migrated."""
    home = PREFECT_HOME.value() / f"darkroom-{prefect.__version__}"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"PREFECT_HOME (by default ~/.prefect) must be a folder that can be written. Received: {error}."
        ) from error
    return home


def over_deployed(name: str, value: Model) -> Model:
    """A nested parameter of the flow run; what it leaves out is as in the deployment, not as in our default.

    Prefect replaces each of a deployment's parameters as a whole.
    """
    if not (deployment_id := own_deployment()):
        return value
    with get_client(sync_client=True) as client:
        deployed = client.read_deployment(deployment_id).parameters.get(name)
    given = value.model_dump(exclude_unset=True)
    return type(value).model_validate(lay_over(unfold(deployed or {}), given))


def own_deployment() -> UUID | None:
    """The id of the deployment that this flow run is one of; None for one from a command line."""
    context = FlowRunContext.get()
    return context.flow_run.deployment_id if context and context.flow_run else None


def lay_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values of one mapping over those of another."""
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], Mapping) and isinstance(above[name], Mapping):
            merged[name] = lay_over(below[name], above[name])
    return merged


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
    with in_environment({variable: value}), temporary_settings({name: value}):
        yield


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
