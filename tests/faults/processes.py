"""The command line as a user runs it, in processes that the tests may kill."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

SERVER = "prefect.server.api.server:create_app"


def darkroom(
    command: Sequence[str], home: Path, api: str | None, ray_address: str | None = None
) -> subprocess.Popen:
    """Start a command on the Prefect at `api` and the Ray at `ray_address`, or on ones of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {"PREFECT_HOME": str(home)} | ({"PREFECT_API_URL": api} if api else {})
    environment |= {"RAY_ADDRESS": ray_address} if ray_address else {}
    return subprocess.Popen(
        [sys.executable, "-m", "flows", *command], env=environment, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()


def until(condition: Callable[[], object], process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def descendants(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def ended_within(seconds: float, processes: Sequence[psutil.Process]) -> None:
    """Wait until none of the processes runs; one that nobody has reaped yet does not run."""
    deadline = time.monotonic() + seconds
    while running := [process for process in processes if runs(process)]:
        assert time.monotonic() < deadline, f"left running: {[command_of(process) for process in running]}"
        time.sleep(0.2)


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
