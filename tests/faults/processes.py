"""The command line as a user runs it, in processes that the tests may kill."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

SERVERS = ("deployments.server", "prefect.server.api.server:create_app")  # ours; of workers without an API
ENDED_SECONDS = 90.0  # by when nothing runs of a command that was ended or killed
PATIENCE_SECONDS = 300.0  # more than anything takes, on a slow machine beside another such test


def darkroom(
    command: Sequence[str], home: Path, api: str | None, ray_address: str | None = None
) -> subprocess.Popen:
    """Start a command on the Prefect at `api` and the Ray at `ray_address`, or on ones of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {"PREFECT_HOME": str(home)} | ({"PREFECT_API_URL": api} if api else {})
    environment |= {"RAY_ADDRESS": ray_address} if ray_address else {}
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *command], env=environment, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors.decode()


def until(
    condition: Callable[[], object],
    process: subprocess.Popen | None = None,
    seconds: float = PATIENCE_SECONDS,
) -> None:
    """Wait for a condition, as long as `process` runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def descendants(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def servers_of(process: subprocess.Popen) -> list[psutil.Process]:
    """The Prefect servers that a command or its workers started."""
    return [child for child in descendants(process) if any(server in command_of(child) for server in SERVERS)]


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def runs(process: psutil.Process) -> bool:
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
