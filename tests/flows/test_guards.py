"""What others on this machine, and pages in its browsers, can do with what a command starts: nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from deployments.services import RAY_HIDE_GPUS, RAY_ONE_MACHINE
from tests.faults.processes import ENDED_SECONDS, command_of, until

pytestmark = pytest.mark.slow
LOOPBACK = {"127.0.0.1", "::1"}


@pytest.fixture
def command(sample: Path, tmp_path: Path) -> Iterator[psutil.Process]:
    """`darkroom explore`, stopped when its Prefect server and its Ray both run."""
    environment = {name: os.environ[name] for name in os.environ if not name.startswith(("PREFECT_", "RAY_"))}
    arguments = ["explore", "--images", str(sample), "--store", str(tmp_path / "store"), "--weights", "none"]
    process = psutil.Popen([sys.executable, "-m", "flows.cli", *arguments], env=environment)
    try:
        until(lambda: part(process, "deployments.server") and part(process, "raylet/raylet"))
        until(lambda: len(listening(process)) > 5)
        process.suspend()
        yield process
    finally:
        process.resume()
        process.terminate()
        process.wait(ENDED_SECONDS)


def part(command: psutil.Process, name: str) -> psutil.Process | None:
    """The child of a command with a name in its own command line."""
    return next((child for child in command.children(recursive=True) if name in command_of(child)), None)


def listening(command: psutil.Process) -> list[str]:
    """The addresses that a command and its children accept connections on."""
    return [
        place.laddr.ip.removeprefix("::ffff:")
        for process in (command, *command.children(recursive=True))
        for place in process.net_connections("inet")
        if place.status == psutil.CONN_LISTEN
    ]


def test_only_the_command_itself_may_use_what_it_starts(command: psutil.Process):
    assert set(listening(command)) <= LOOPBACK

    server = part(command, "deployments.server")
    [port] = [place.laddr.port for place in server.net_connections("inet") if place.status == "LISTEN"]
    url, secret = f"http://127.0.0.1:{port}/api", server.environ()["PREFECT_SERVER_API_AUTH_STRING"]
    until(lambda: httpx.get(f"{url}/health").is_success)
    forged = {"state": {"type": "COMPLETED"}, "force": True}
    for guess in (None, ("admin", "guess")):
        assert httpx.post(f"{url}/flow_runs/filter", json={}, auth=guess).status_code == 401
        assert httpx.post(f"{url}/task_runs/{'0' * 8}/set_state", json=forged, auth=guess).status_code == 401
    login = tuple(secret.split(":"))
    assert httpx.post(f"{url}/flow_runs/filter", json={}, auth=login).is_success
    rebound = httpx.get(f"{url}/admin/version", headers={"Host": "evil.example"}, auth=login)
    assert rebound.status_code == 400
    page = httpx.get(f"{url}/admin/version", headers={"Origin": "https://evil.example"}, auth=login)
    assert "access-control-allow-origin" not in page.headers

    raylet = part(command, "raylet/raylet")
    assert raylet.environ()[RAY_HIDE_GPUS] == "1"
    [head] = [word for word in raylet.cmdline() if word.startswith("--gcs-address=")]
    stranger = {**os.environ, RAY_ONE_MACHINE: "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "guess"}
    status = [f"{Path(sys.executable).parent}/ray", "status", "--address", head.partition("=")[2]]
    assert "InvalidAuthToken" in subprocess.run(status, env=stranger, capture_output=True, text=True).stderr

    token = raylet.environ()["RAY_AUTH_TOKEN"]
    secrets = (login[1], token)
    for text in map(command_of, psutil.process_iter()):
        assert not any(secret in text for secret in secrets)
