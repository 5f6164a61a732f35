"""`darkroom join`, with a Ray and a stack that are no more than their names; tests/hosts has real ones."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deployments.settings import Settings
from deployments.stack import end, marked
from flows.cli.main import run
from tests.faults.processes import ENDED_SECONDS, command_of, until
from tests.ports import free_ports

NODE, WAITING = "A node of the stack", "Waiting for the stack"
RAY = """
import os, subprocess
subprocess.Popen(["sleep", "500"], start_new_session=True)  # a worker that outlives its raylet
os.execv("{folder}/raylet", ["raylet", "600"])
"""
JOIN = """
import sys
from pathlib import Path
from deployments import node
from deployments.settings import Settings
from tasks.errors import InputError
node.BIN, node.AGAIN_SECONDS = Path(sys.argv[1]), 0.1
try:
    node.join(Settings(host="127.0.0.1"))
except InputError as error:
    sys.exit(str(error))
"""


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if "Basic" in self.headers.get("Authorization", "") else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def stack_at(port: int, handler: type[BaseHTTPRequestHandler] = Server) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a node, whose stack has Prefect and Ray at one port as far as anybody can see."""
    server, files = free_ports(2)
    for name, value in {"HOME": tmp_path / "home", "PORT": server, "FILES_PORT": files}.items():
        monkeypatch.setenv(f"DARKROOM_{name}", str(value))
    return tmp_path / "home"


def test_a_node_needs_the_password_and_an_address_alone(home: Path, capsys: pytest.CaptureFixture):
    for arguments, complaint in {
        ("join", "10.0.0.1"): "DARKROOM_PASSWORD",
        ("join", "10.0.0.1:6379"): "10.0.0.1:6379",
    }.items():
        assert run(arguments) == 2
        error = capsys.readouterr().err
        assert complaint in error
        assert error.count("\n") == 1
    assert not home.exists()


def test_a_node_with_another_password_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    class Strict(Server):
        def do_GET(self) -> None:
            self.send_error(401)

    [ray_port] = free_ports(1)
    monkeypatch.setenv("DARKROOM_RAY_PORT", str(ray_port))
    monkeypatch.setenv("DARKROOM_PASSWORD", "guess")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with stack_at(int(os.environ["DARKROOM_PORT"]), Strict), stack_at(ray_port):
            assert run(["join", "127.0.0.1"]) == 2
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert "must be the password of the stack" in capsys.readouterr().err


def test_a_node_waits_comes_back_and_leaves_nothing(home: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("DARKROOM_PASSWORD", "secret")
    [ray_port] = free_ports(1)
    monkeypatch.setenv("DARKROOM_RAY_PORT", str(ray_port))
    shutil.copy(shutil.which("sleep"), tmp_path / "raylet")
    (tmp_path / "ray").write_text(RAY.format(folder=tmp_path))
    log, settings = tmp_path / "said", Settings(host="127.0.0.1")
    command = [sys.executable, "-c", JOIN, str(tmp_path)]

    def left(name: str) -> list:
        return [process for process in marked(settings) if name in command_of(process)]

    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        until(lambda: WAITING in log.read_text(), process)
        with stack_at(settings.port), stack_at(ray_port):
            until(lambda: log.read_text().count(NODE) == 1, process)
            second = subprocess.run(command, capture_output=True, text=True)
            assert second.returncode == 1
            assert "already" in second.stderr
            [raylet], [worker] = left("raylet"), left("500")
            raylet.kill()
            until(lambda: log.read_text().count(NODE) == 2, process)
            assert "Lost the stack" in log.read_text()
            assert worker.pid not in [again.pid for again in left("500")]
            process.terminate()
            assert process.wait(ENDED_SECONDS) == 0
        assert log.read_text().count(WAITING) == 1
        assert not marked(settings)
    finally:
        process.kill()
        end(marked(settings))
