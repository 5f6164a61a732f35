"""A strange environment costs one line in seconds; nested parameters and mistakes in Prefect."""

import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
import ray
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from deployments.services import Service, plain_environment, reach_directly
from flows import runtime
from flows.cli.main import run
from flows.runtime import over_deployed, own_home, ray_runner
from tasks.errors import InputError, JobError
from tasks.parameters import Training
from tests.ports import free_ports


def test_a_worker_whose_link_to_the_cluster_is_cut_for_a_while_goes_on(
    one_ray: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_ports(1)[0]}")
    with ray_runner():  # as Prefect does in the process of each task
        assert ray.is_initialized()


@pytest.mark.slow
def test_ray_starts_while_the_prefect_server_does_and_ends_with_it(tmp_path: Path):
    code = """
import ray
from flows import runtime
wait = runtime.wait_until_ready
runtime.wait_until_ready = lambda *server: (print(ray.is_initialized()), wait(*server))
with runtime.prefect_api():
    with runtime.ray_runner():  # as the flow does
        pass
    print(ray.is_initialized())
print(ray.is_initialized())
"""
    environment = plain_environment() | {"PREFECT_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True", "False"], done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RAY_ADDRESS", "127.0.0.1:{port}"),
        ("RAY_ADDRESS", "127.0.0.1:six"),
        ("PREFECT_API_URL", "http://127.0.0.1:{port}/api"),
        ("TMPDIR", "{folder}"),
    ],
)
def test_a_stale_or_unusable_variable_is_named_in_one_line(
    variable, value, store, sample, monkeypatch, capsys, tmp_path
):
    folder = tmp_path / "longer-than-sockets-may-be"
    folder.mkdir()
    value = value.format(port=free_ports(1)[0], folder=folder)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr("flows.runtime.ANSWER_SECONDS", 1.0)
    monkeypatch.setenv(variable, value)
    settings = {PREFECT_API_URL: value} if variable == "PREFECT_API_URL" else {}
    with temporary_settings(settings):
        assert run(["explore", "--images", str(sample), "--store", store]) == 2
    error = capsys.readouterr().err
    assert variable in error
    assert value in error
    assert error.count("\n") == 1


class Alive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def test_a_prefect_server_that_restarts_is_waited_for():
    port = free_ports(1)[0]
    with (
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}),
        get_client(sync_client=True) as client,
        ThreadPoolExecutor() as pool,
    ):
        asked = threading.Event()
        client._client.event_hooks["request"].append(lambda _: asked.set())
        answer = pool.submit(client.hello)  # of a new client, as every artifact makes one
        assert asked.wait(30)
        time.sleep(2)  # longer than the transport itself tries again
        with HTTPServer(("127.0.0.1", port), Alive) as server:
            server.timeout = 30
            server.handle_request()
        assert answer.result().is_success


def test_an_unknown_user_without_a_home_is_told_so_in_one_line():
    code = "import os, pwd, runpy\nos.environ.pop('HOME')\npwd.getpwuid = {}.__getitem__\n"
    code += "runpy.run_module('flows.cli', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "HOME" in done.stderr
    assert done.stderr.count("\n") == 1


def test_our_servers_have_a_home_for_each_version_of_prefect_and_no_settings_of_another(
    tmp_path: Path, monkeypatch
):
    with temporary_settings({PREFECT_HOME: tmp_path}):
        assert own_home().parent == tmp_path
        monkeypatch.setattr("prefect.__version__", "99.0.0")
        assert own_home().name == "darkroom-99.0.0"
    theirs = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "x", "PREFECT_API_DATABASE_CONNECTION_URL": "x"}
    for name, value in (theirs | {"PREFECT_PROFILE": "x", "PREFECT_LOGGING_LEVEL": "INFO"}).items():
        monkeypatch.setenv(name, value)
    assert [name for name in plain_environment() if name.startswith("PREFECT_")] == ["PREFECT_LOGGING_LEVEL"]


def test_nobody_takes_the_port_of_a_commands_own_server_while_it_starts(monkeypatch, tmp_path: Path):
    def take(service: Service, process: psutil.Process) -> None:
        with pytest.raises(OSError, match="in use"):
            socket.create_server(service.listener.getsockname())
        process.kill()
        with pytest.raises(OSError, match="in use"):
            socket.create_server(service.listener.getsockname())
        raise JobError("all is seen")

    monkeypatch.setattr(runtime, "wait_until_ready", take)
    with (
        temporary_settings({PREFECT_HOME: tmp_path}),
        pytest.raises(JobError, match="all is seen"),
        runtime.temporary_server(("admin", "secret")) as (_, wait),
    ):
        wait()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prefect.toml", '[logging]\nconfig_path = "hostile.yml"'),
        ("pyproject.toml", '[tool.prefect.logging]\nconfig_path = "hostile.yml"'),
        (".env", "PREFECT_LOGGING_SETTINGS_PATH=hostile.yml"),
    ],
)
def test_nobody_chooses_prefects_settings_by_a_file_in_the_working_folder(name, content, tmp_path):
    """Those of its logging name functions that are called."""
    (tmp_path / name).write_text(content)
    code = (
        "from flows.cli.main import run; run(['models', 'list', '--store', 'nowhere']);"
        "from prefect.settings import get_current_settings; print(get_current_settings().logging.config_path)"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "`store`" in done.stderr or "nowhere" in done.stderr
    assert "hostile" not in done.stdout


def test_no_proxy_is_asked_for_what_runs_here(monkeypatch):
    monkeypatch.setenv("no_proxy", "intranet")
    monkeypatch.setenv("NO_PROXY", "")
    reach_directly("10.0.0.1")
    for name in ("no_proxy", "NO_PROXY"):
        assert set(os.environ[name].split(",")) == {"intranet", "10.0.0.1", "127.0.0.1", "localhost"}


def test_no_library_sends_telemetry_unless_told_to():
    code = (
        "import flows.cli, os;"
        "from prefect.analytics import is_telemetry_enabled;"
        "from mlflow.telemetry.utils import is_telemetry_disabled;"
        "from ray._common.usage.usage_lib import usage_stats_enabled;"
        "print(is_telemetry_enabled(), not is_telemetry_disabled(), usage_stats_enabled(),"
        " os.environ.get('ORT_DISABLE_TELEMETRY') != '1')"
    )
    names = ("CI", "GITHUB_ACTIONS", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "RAY_USAGE_STATS_ENABLED")
    environment = {
        name: text for name, text in os.environ.items() if name not in (*names, "ORT_DISABLE_TELEMETRY")
    }
    environment = {name: text for name, text in environment.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"] * 4


@task
def refuse() -> None:
    raise InputError("`images` must be a folder. Received: 'x'.")


@flow
def refused() -> None:
    refuse()


def test_a_users_mistake_is_one_line_in_prefects_log_and_state(prefect_api: None, caplog):
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addHandler(caplog.handler)
    try:
        state = refused(return_state=True)
    finally:
        for name in ("prefect.flow_runs", "prefect.task_runs"):
            logging.getLogger(name).removeHandler(caplog.handler)
    records = [record for record in caplog.records if "must be a folder" in record.getMessage()]
    assert {record.getMessage() for record in records} == {"`images` must be a folder. Received: 'x'."}
    assert {record.name for record in records} == {"prefect.flow_runs"}
    assert not any(record.exc_info for record in caplog.records)
    assert "`images` must be a folder" in state.message
    assert "\n" not in state.message


@flow
def trained(training: Training = Training()) -> None:
    trained.seen = over_deployed("training", training)


def test_a_nested_parameter_keeps_what_the_deployment_says_of_the_rest(prefect_api: None, monkeypatch):
    deployed = {"training": {"weights": "none", "cnn": {"dropout": 0.1}, "more": {"seed": 1, "workers": 2}}}
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(trained)
        deployment = client.create_deployment(flow_id, "nested", parameters=deployed)
        given = {"training": {"epochs": 1, "cnn": {"mixup": 0.0}, "more": {"seed": 3}, "mobilenet_v2": None}}
        flow_run = client.create_flow_run_from_deployment(deployment, parameters=given)
        trained_run = client.read_flow_run(flow_run.id)
        run_flow(trained, flow_run=trained_run, parameters=trained_run.parameters)
        client.delete_deployment(deployment)
    seen = trained.seen
    assert (seen.weights, seen.epochs, seen.cnn.dropout, seen.cnn.mixup) == ("none", 1, 0.1, 0.0)
    assert (seen.seed, seen.workers) == (3, 2)
