"""What runs Darkroom elsewhere is well-formed."""

import re
import shutil
import subprocess
from pathlib import Path

import httpx
import kubernetes_validate
import pytest
import yaml
from prefect.client.orchestration import get_client
from pydantic import ValidationError
from starlette.testclient import TestClient

from deployments.automations import automations_of, bring_up_to_date, end_zombies
from deployments.files import files_app
from deployments.services import RAY_HIDE_GPUS
from deployments.settings import Settings
from tasks.errors import InputError

KUBERNETES = "1.37"
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


def test_kubernetes_is_told_what_the_deployments_read():
    text = (FOLDER / "kubernetes" / "darkroom.yaml").read_text()
    told = next(one for one in yaml.safe_load_all(text) if one["kind"] == "ConfigMap")["data"]
    asked = set(re.findall(r"\$(DARKROOM_\w+)", (FOLDER / "prefect.yaml").read_text()))
    assert asked | {"PREFECT_API_URL", "RAY_ADDRESS", "RAY_AUTH_MODE", RAY_HIDE_GPUS} <= set(told)


def test_the_manifests_are_what_kubernetes_takes():
    manifests = list(yaml.safe_load_all((FOLDER / "kubernetes" / "darkroom.yaml").read_text()))
    [cluster] = [manifest for manifest in manifests if manifest["kind"] == "RayCluster"]
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}} | group["template"]
        for group in groups
    ]
    for manifest in (*(manifest for manifest in manifests if manifest is not cluster), *pods):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


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


def test_whatever_page_lies_in_the_store_no_script_of_it_runs(tmp_path: Path):
    page = tmp_path / "store" / "index.html"
    page.parent.mkdir()
    page.write_text("<script>alert(1)</script>")
    settings = Settings(home=tmp_path, password="secret")
    browser = TestClient(files_app(settings), base_url="http://127.0.0.1")
    headers = browser.get("/store/index.html", auth=("admin", "secret")).headers
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    nothing = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    assert rules == nothing | {"img-src": "data:", "style-src": "'unsafe-inline'"}
    assert headers["x-content-type-options"] == "nosniff"


def test_a_stack_started_again_still_watches_the_runs_that_it_lost(api: str):
    def watched_by() -> dict[str, str]:
        found = httpx.post(f"{api}/automations/filter", json={}).raise_for_status().json()
        return {one["name"]: one["trigger"]["id"] for one in found}

    told = Settings(notify="http://127.0.0.1:1/hook")
    with get_client(sync_client=True) as client:
        bring_up_to_date(client, automations_of(told))
        first = watched_by()
        bring_up_to_date(client, automations_of(told))
        assert watched_by() == first
        bring_up_to_date(client, automations_of(Settings()))
        assert watched_by() == {name: first[name] for name in [end_zombies().name]}
