"""`darkroom join`: this machine as a node of a stack that runs on another."""

import os
import time
from contextlib import suppress
from pathlib import Path

import httpx

from deployments.services import (
    BIN,
    POLL_SECONDS,
    Service,
    check_sockets,
    end,
    listens,
    reach_directly,
    start,
    wait_until_ready,
)
from deployments.settings import Settings
from deployments.stack import environment, marked, only_one, plain_path
from tasks.errors import InputError, JobError
from tasks.process import end_on_signals

RAYLET = "raylet"  # the process that makes a machine a node
AGAIN_SECONDS = 5.0
MAX_FAILURES = 5  # starts in a row, each at a head that answered: waiting mends none of that


def join(settings: Settings) -> None:
    """Be a node of the stack at `settings.host` until interrupted; a node that is lost comes back by itself.

    Raises InputError without the stack's password, with a wrong one or when this home is in use; JobError
    when Ray does not start here.
    """
    check_password(settings)
    check_sockets()
    end_on_signals()
    with suppress(KeyboardInterrupt), only_one(settings), plain_path() as python:
        reach_directly(settings.host)
        node, failures = ray_node(settings, python), 0
        while True:
            wait_for_head(settings)
            failures = 0 if serve(node, settings) else failures + 1
            if failures == MAX_FAILURES:
                raise JobError(f"Ray does not start here: see {node.log}.")
            time.sleep(AGAIN_SECONDS)


def check_password(settings: Settings) -> None:
    """Raise InputError when the stack's password is not known here; one made up here would be another."""
    if not settings.password and not settings.password_file.exists():
        raise InputError(
            "A node needs the password of its stack: set DARKROOM_PASSWORD, or copy `password` in the first "
            f"machine's DARKROOM_HOME, mode 0600. No such file: {str(settings.password_file)!r}."
        )


def ray_node(settings: Settings, python: Path) -> Service:
    """Ray's part of this machine; the folder of its sessions may be another than the head's."""
    address, folder = settings.environment["RAY_ADDRESS"], os.environ.get("RAY_TMPDIR", "/tmp")
    command = [str(python), f"{BIN}/ray", "start", "--address", address, "--block", "--disable-usage-stats"]
    command += ["--temp-dir", f"{folder}/ray", "--dashboard-agent-listen-port", "0"]
    return Service("Ray", command, settings.folder / "logs" / "ray.log", lambda: has_raylet(settings))


def wait_for_head(settings: Settings) -> None:
    """Return when the stack's Ray and Prefect server answer; says once that it waits for them."""
    is_told = False
    while not (listens(settings.host, settings.ray_port) and answers(settings)):
        if not is_told:
            print(f"Waiting for the stack at {settings.host} to answer", flush=True)
        is_told = True
        time.sleep(POLL_SECONDS)


def answers(settings: Settings) -> bool:
    """Whether the stack's Prefect server answers. Raises InputError when it wants another password."""
    with suppress(httpx.HTTPError):
        response = httpx.get(f"{settings.url}/api/admin/version", auth=settings.login)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise InputError(
                f"DARKROOM_PASSWORD, or {str(settings.password_file)!r}, must be the password of the stack "
                f"at {settings.host}. The server there wants another."
            )
        return response.is_success
    return False


def has_raylet(settings: Settings) -> bool:
    return any(process.name() == RAYLET for process in marked(settings))


def serve(node: Service, settings: Settings) -> bool:
    """Run the node until it is lost, and end what it left running. Returns whether it was one at all."""
    was_node = False
    process = start(node, environment(settings))
    try:
        wait_until_ready(node, process)
        print(f"A node of the stack at {settings.host}. Ctrl-C ends it.", flush=True)
        was_node = True
        process.wait()
        print(f"Lost the stack: Ray ended with status {process.returncode}, see {node.log}.", flush=True)
    except JobError as error:
        print(error, flush=True)
    finally:
        end([process])
        end(marked(settings))
    return was_node
