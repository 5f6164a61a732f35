"""What runs Darkroom elsewhere is well-formed."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from starlette.testclient import TestClient

from deployments import stack
from deployments.files import files_app
from deployments.services import RAY_HIDE_GPUS
from deployments.settings import Settings
from deployments.stack import services
from flows.cli.main import run
from tasks.errors import InputError, JobError
from tasks.pages import SCRIPT_SOURCE
from tests.manifests import FILE as MANIFESTS
from tests.manifests import checkable
from tests.ports import free_ports

FOLDER = Path(__file__).parent.parent / "deployments"


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    units = []
    for unit in (FOLDER / "systemd").glob("*.service"):
        text = unit.read_text().replace("/opt/darkroom/.venv/bin/", "/bin/echo ")  # not installed there
        units.append(tmp_path / unit.name)
        units[-1].write_text(text)
    assert units
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_is_installed_without_a_hash_and_the_image_runs_as_an_ordinary_user():
    rules = (FOLDER.parent / "Makefile").read_text().replace("\\\n", "")
    installs = [line for line in rules.splitlines() if re.search(r"pip (install|sync)", line)]
    assert len(installs) == 3
    for line in installs:
        assert "--require-hashes" in line or "--no-deps --no-build-isolation --editable ." in line
    [uv] = re.findall(r"^uv==.*?# via", (FOLDER.parent / "requirements.lock").read_text(), re.S | re.M)
    assert "--hash=sha256:" in uv  # what `make setup` takes of the lock to install uv by
    steps = (FOLDER / "kubernetes" / "Dockerfile").read_text()
    assert re.findall(r"^USER (\w+)$", steps, re.M) == ["darkroom"]
    assert "--uid 1000 darkroom" in steps.partition("USER")[0]


def test_kubernetes_is_told_what_the_deployments_read():
    text = MANIFESTS.read_text()
    variables = next(one for one in yaml.safe_load_all(text) if one["kind"] == "ConfigMap")["data"]
    asked = set(re.findall(r"\$(DARKROOM_\w+)", (FOLDER / "prefect.yaml").read_text()))
    asked.remove("DARKROOM_REPORTS")  # which the command that deploys makes itself
    assert asked | {"PREFECT_API_URL", "RAY_ADDRESS", "RAY_AUTH_MODE", RAY_HIDE_GPUS} <= set(variables)


def test_every_pod_is_an_ordinary_users_and_writes_to_its_volumes_alone():
    manifests = checkable(list(yaml.safe_load_all(MANIFESTS.read_text())))
    pods = [manifest for manifest in manifests if manifest["kind"] == "Pod"]
    pods += [manifest["spec"]["template"] for manifest in manifests if manifest["kind"] == "Deployment"]
    assert len(pods) == 3
    for pod in (pod["spec"] for pod in pods):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 1000  # as the Dockerfile makes it
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
            assert {"/tmp", "/home/darkroom"} <= set(mounts.values())


def test_only_our_own_pods_reach_our_pods():
    """TensorFlow's servers, in trainings on several workers, run whatever whoever reaches them asks for."""
    manifests = checkable(list(yaml.safe_load_all(MANIFESTS.read_text())))
    [policy] = [manifest["spec"] for manifest in manifests if manifest["kind"] == "NetworkPolicy"]
    ours = policy["podSelector"]["matchLabels"].items()
    assert policy["ingress"] == [{"from": [{"podSelector": policy["podSelector"]}]}]
    pods = [manifest for manifest in manifests if manifest["kind"] == "Pod"]
    pods += [manifest["spec"]["template"] for manifest in manifests if manifest["kind"] == "Deployment"]
    assert len(pods) == 3
    assert all(ours <= pod["metadata"]["labels"].items() for pod in pods)


def test_a_stack_is_reached_by_one_name():
    with pytest.raises(ValidationError, match="DARKROOM_HOST"):
        Settings(host="0.0.0.0")


def test_a_stack_without_a_given_password_makes_one_up_and_keeps_it(tmp_path: Path):
    made_up = Settings(home=tmp_path)
    user, password = made_up.login
    assert user == "admin"
    assert len(password) > 30
    assert made_up.password_file.stat().st_mode & 0o777 == 0o600
    assert Settings(home=tmp_path).login == made_up.login
    assert Settings(home=tmp_path, password="given").login == (user, "given")
    made_up.password_file.chmod(0o644)
    with pytest.raises(InputError, match="0600"):
        _ = Settings(home=tmp_path).login


@pytest.mark.parametrize(("mode", "owner"), [(0o777, None), (0o775, None), (0o755, 65_534)])
def test_a_home_that_others_may_write_to_is_refused(tmp_path: Path, monkeypatch, capsys, mode: int, owner):
    """What is run stands in the database that lies in it."""
    if owner and os.geteuid():
        pytest.skip("only root can make a folder another user's")
    home = tmp_path / "darkroom"
    home.mkdir()
    home.chmod(mode)
    if owner:
        os.chown(home, owner, owner)
    monkeypatch.setenv("DARKROOM_HOME", str(home))
    assert run(["up"]) == 2
    assert "or set DARKROOM_HOME to a folder of your own" in capsys.readouterr().err
    assert not list(home.iterdir())


def test_only_reports_are_served_and_only_to_who_knows_the_password(tmp_path: Path):
    settings = Settings(home=tmp_path, password="secret")
    report = tmp_path / "store" / "runs" / "one" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("<h1>Report</h1>")
    (report.parent / "summary.json").write_text("{}")
    browser = TestClient(files_app(settings), base_url="http://127.0.0.1")
    assert browser.get("/store/runs/one/report.html").status_code == 401
    assert browser.get("/store/runs/one/report.html", auth=("admin", "guess")).status_code == 401
    assert "Report" in browser.get("/store/runs/one/report.html", auth=("admin", "secret")).text
    for page in (report.with_name("index.html"), tmp_path / "store" / "index.html"):
        page.write_text("<a href=runs/one/report.html>One</a>")
    assert "One" in browser.get("/store/index.html", auth=("admin", "secret")).text
    assert browser.get("/").status_code == 401
    home = browser.get("/", auth=("admin", "secret"))
    assert (home.url.path, "One" in home.text) == ("/store/index.html", True)
    for other in (
        "/store/runs/one/summary.json",
        "/store/runs/one/index.html",
        "/store/",
        "/store/runs/one/",
        "/store/../store/runs/one/summary.json",
    ):
        assert browser.get(other, auth=("admin", "secret")).status_code == 404
    elsewhere = TestClient(files_app(settings), base_url="http://evil.example")
    assert elsewhere.get("/store/runs/one/report.html", auth=("admin", "secret")).status_code == 400


def test_whatever_page_lies_in_the_store_no_script_but_ours_runs(tmp_path: Path):
    page = tmp_path / "store" / "index.html"
    page.parent.mkdir()
    page.write_text("<script>alert(1)</script>")
    settings = Settings(home=tmp_path, password="secret")
    browser = TestClient(files_app(settings), base_url="http://127.0.0.1")
    headers = browser.get("/store/index.html", auth=("admin", "secret")).headers
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    nothing = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    ours = {"img-src": "data:", "style-src": "'unsafe-inline'", "script-src": SCRIPT_SOURCE}
    assert rules == nothing | ours
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"ray_port": 12_000}, "10002 to 19999"),
        ({"port": 7000, "files_port": 7000}, "must be different"),
        ({"retrain_cron": "at two"}, "a cron line"),
        ({"timezone": "Europe/Berlim"}, "a time zone"),
    ],
)
def test_what_prefect_or_ray_would_refuse_later_is_refused_at_once(wrong, complaint, monkeypatch, capsys):
    for name, value in wrong.items():
        monkeypatch.setenv(f"DARKROOM_{name.upper()}", str(value))
    assert run(["up"]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_nobody_takes_a_port_of_the_stack_while_it_starts(tmp_path: Path):
    """Whoever did would be told the password; what is about to listen stands in the list of processes."""
    ports = dict(zip(("port", "ray_port", "files_port"), free_ports(3), strict=True))
    parts = services(Settings(home=tmp_path, **ports), Path(sys.executable))
    assert [part.name for part in parts if part.listener] == ["Prefect server", "report server"]
    for port in (ports["port"], ports["files_port"]):
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))


@pytest.mark.slow
def test_a_password_that_ray_told_a_stranger_opens_nothing(tmp_path: Path, monkeypatch):
    """Ray tells its token to whoever listens at the port that it is to have."""
    ports = dict(zip(("port", "ray_port", "files_port"), free_ports(3), strict=True))
    settings = Settings(home=tmp_path / "darkroom", **ports)
    _, password = settings.login
    monkeypatch.setenv(
        "RAY_py_gcs_connect_timeout_s", "3"
    )  # else it waits for its own head for half a minute
    with socket.create_server(("127.0.0.1", settings.ray_port)) as stranger:
        monkeypatch.setattr(stack, "check_free", lambda *_: None)  # it came a moment later
        with pytest.raises(JobError, match="another will be made up"):
            stack.up(settings)
        stranger.settimeout(1)
        told = stranger.accept()[0].recv(100_000)
    assert told
    assert Settings(home=settings.home).login[1] != password
    assert not (settings.folder / "prefect").exists()  # nothing yet obeyed it


def test_a_second_stack_shares_no_port_with_the_first(tmp_path: Path):
    def ports(port: int) -> set[str]:
        own = {"port": port, "ray_port": port + 1, "files_port": port + 2}
        ray, *_ = services(Settings(home=tmp_path, **own), Path(sys.executable))
        flags = dict(zip(ray.command, ray.command[1:], strict=False))
        # those of Ray's ports that are the same on every machine unless something else is said
        return {flags[f"--{name}port"] for name in ("", "ray-client-server-")}

    first, second = free_ports(2)
    assert len(ports(first) | ports(second)) == 4
