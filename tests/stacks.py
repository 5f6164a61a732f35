"""`darkroom up` in a process of its own, and what its Prefect server says."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from deployments.settings import Settings
from deployments.stack import end, marked
from tests.faults.processes import ENDED_SECONDS

CLOUD_KEY = "marked-key-of-an-object-store"
QUICK = {"PREFECT_WORKER_QUERY_SECONDS": "1"}  # else a run waits up to 10 s for its worker


def up(settings: Settings) -> subprocess.Popen:
    given_variables = {
        f"DARKROOM_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value
    }
    plain_variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "RAY_", "DARKROOM_"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "up"],
        env=plain_variables | given_variables | QUICK | {"AWS_SECRET_ACCESS_KEY": CLOUD_KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(settings: Settings) -> Iterator[Settings]:
    """A stack that runs; interrupted in the end, it must leave nothing running."""
    process = up(settings)
    try:
        assert any("Ctrl-C" in line for line in process.stdout), process.stderr.read()
        yield settings
        process.send_signal(signal.SIGINT)
        assert process.wait(ENDED_SECONDS) == 0
        assert not marked(settings)
    finally:
        process.kill()
        end(marked(settings))


def ask(stack: Settings, what: str, **filters: Any) -> list[dict[str, Any]]:
    answer = httpx.post(f"{stack.url}/api/{what}/filter", json=filters, auth=stack.login, timeout=60)
    return answer.raise_for_status().json()


def deployment(stack: Settings, flow: str, name: str) -> dict[str, Any]:
    [record] = [
        record
        for record in ask(stack, "deployments", flows={"name": {"any_": [flow]}})
        if record["name"] == name
    ]
    return record


def runs_of(stack: Settings, deployment_id: str) -> list[dict[str, Any]]:
    """The runs of a deployment, by its id; the first expected to start comes first."""
    return ask(
        stack,
        "flow_runs",
        deployments={"id": {"any_": [deployment_id]}},
        sort="EXPECTED_START_TIME_ASC",
    )
