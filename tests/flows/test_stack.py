"""`darkroom up`, used as a person would: by its forms and buttons, in Chromium, against the real server."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from deployments.services import succeeds
from deployments.settings import Settings
from deployments.stack import marked
from tasks import storage
from tasks.form import CHANGE
from tasks.training.history import read_history
from tests.chromium import chromium
from tests.faults.processes import ENDED_SECONDS, PATIENCE_SECONDS, command_of, until
from tests.ports import free_ports
from tests.stacks import CLOUD_KEY, ask, deployment, running, runs_of, up
from tests.untrained import untrained_store

EPOCHS = 40


@pytest.fixture(scope="module")
def settings(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    port, ray_port, files_port = free_ports(3)
    folder = tmp_path_factory.mktemp("stack")
    return Settings(
        home=folder / "home",
        images=str(sample),
        inbox=str(sample / "seg_pred"),
        store=untrained_store(folder / "store", "cnn", size_px=48),
        weights="none",
        port=port,
        ray_port=ray_port,
        files_port=files_port,
    )


@pytest.fixture(scope="module")
def stack(settings: Settings) -> Iterator[Settings]:
    """A running stack; in the end it must leave no secret anywhere."""
    with running(settings):
        yield settings
    assert not files_that_hold_secrets(settings)


def files_that_hold_secrets(settings: Settings) -> list[Path]:
    """Files of the stack, its database, store and predictions that hold its password or the cloud's key."""
    secrets = [settings.login[1].encode(), CLOUD_KEY.encode()]
    files = [file for folder in (settings.folder, Path(settings.store)) for file in folder.rglob("*")]
    return [
        file
        for file in files
        if file.is_file() and file != settings.password_file and any(map(file.read_bytes().count, secrets))
    ]


@pytest.fixture
def page(settings: Settings) -> Iterator[Page]:
    with chromium() as browser:
        user, password = settings.login
        page = browser.new_page(
            viewport={"width": 1400, "height": 1000},
            http_credentials={"username": user, "password": password, "origin": settings.files_url},
        )
        page.add_init_script(f"localStorage.setItem('prefect-password', btoa('{user}:{password}'))")
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        expect.set_options(timeout=PATIENCE_SECONDS * 1000)
        yield page


def open_form(page: Page, stack: Settings, flow: str, name: str) -> str:
    """Open a deployment's run form and wait for its parameters. Returns the deployment's id."""
    deployment_id = deployment(stack, flow, name)["id"]
    page.goto(f"{stack.url}/v2/deployments/deployment/{deployment_id}/run", wait_until="networkidle")
    return deployment_id


def field(page: Page, title: str) -> Locator:
    return page.get_by_label(f"{title} (Optional)", exact=True)


def open_group(page: Page, title: str) -> None:
    heading = page.get_by_text(f"{title} (Optional)", exact=True)
    heading.locator(f"xpath=following::*[@role='tab'][.='{CHANGE}'][1]").click()


def choose(page: Page, action: str, button: str) -> None:
    """Take an action of a run's menu, and confirm it."""
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name=action).click()
    page.get_by_role("alertdialog").get_by_role("button", name=button, exact=True).click()


def submit(page: Page) -> None:
    page.get_by_role("button", name="Submit").click()


def state_of(stack: Settings, deployment_id: str) -> str:
    [run] = runs_of(stack, deployment_id)
    return run["state"]["type"]


def training(stack: Settings) -> list[psutil.Process]:
    return [process for process in marked(stack) if "RayTrainWorker" in command_of(process)]


def losses(row: Mapping[str, float]) -> tuple[float, float]:
    return row["loss"], row["val_loss"]


def test_all_is_deployed_and_a_second_stack_is_refused(stack: Settings):
    flows = {flow["id"]: flow["name"] for flow in ask(stack, "flows")}
    deployed = {f"{flows[one['flow_id']]}/{one['name']}" for one in ask(stack, "deployments")}
    names = "retrain/nightly retrain/on-demand classify/nightly classify/folder explore/folder"
    assert deployed == set(names.split())
    until(lambda: len({run["deployment_id"] for run in ask(stack, "flow_runs")}) == 2)  # the nightly ones
    for nightly in ask(stack, "deployments", deployments={"name": {"any_": ["nightly"]}}):
        url = f"{stack.url}/api/deployments/{nightly['id']}"
        httpx.patch(url, json={"paused": True}, auth=stack.login).raise_for_status()
    second = up(stack)
    _, complaint = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 2
    assert "runs in" in complaint
    assert complaint.count("\n") == 1


def test_whoever_does_not_know_the_password_gets_nothing_done(stack: Settings):
    assert not stack.password
    assert stack.password_file.stat().st_mode & 0o777 == 0o600
    for url in (f"{stack.url}/api/deployments/filter", f"{stack.url}/api/flow_runs/filter", stack.files_url):
        assert httpx.post(url, json={}).status_code == 401
        assert httpx.post(url, json={}, auth=("admin", "guess")).status_code == 401
    rebound = httpx.get(f"{stack.url}/api/admin/version", headers={"Host": "evil.example"}, auth=stack.login)
    assert rebound.status_code == 400
    elsewhere = httpx.get(
        f"{stack.url}/api/admin/version", headers={"Origin": "https://evil.example"}, auth=stack.login
    )
    assert "access-control-allow-origin" not in elsewhere.headers
    assert "frame-ancestors 'none'" in httpx.get(stack.url).headers["content-security-policy"]
    secret = stack.login[1]
    assert not [process for process in psutil.process_iter() if secret in command_of(process)]


def test_people_get_the_newer_of_prefects_uis_and_none_of_rays(stack: Settings):
    """Ray's would keep the stack's password in a cookie, which a browser sends to every port."""
    browser = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
    assert httpx.get(stack.url, headers=browser).headers["location"] == "/v2/"
    ports = {
        connection.laddr.port
        for process in marked(stack)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {stack.port, stack.files_port, stack.ray_port} <= ports
    assert [
        port for port in ports - {stack.port, stack.files_port} if is_page(f"http://{stack.host}:{port}/")
    ] == []


def is_page(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return "text/html" in httpx.get(url, timeout=2).headers.get("content-type", "")
    return False


def test_a_server_that_is_killed_starts_again_and_knows_what_it_knew(stack: Settings):
    before = {one["id"] for one in ask(stack, "deployments")}
    [server] = [process for process in marked(stack) if "deployments.server" in command_of(process)]
    server.kill()
    until(lambda: succeeds(f"{stack.url}/api/admin/version", stack.login))
    assert {one["id"] for one in ask(stack, "deployments")} == before


@pytest.mark.slow
def test_a_folder_is_classified_from_its_form_and_the_report_opens(stack: Settings, page: Page):
    deployment_id = open_form(page, stack, "classify", "folder")
    submit(page)
    until(lambda: runs_of(stack, deployment_id))
    until(lambda: state_of(stack, deployment_id) == "COMPLETED")
    [run] = runs_of(stack, deployment_id)
    assert re.fullmatch(r"classify-seg_pred-\d{4}-\d\d-\d\d", run["name"])
    lines = [log["message"] for log in ask(stack, "logs", logs={"flow_run_id": {"any_": [run["id"]]}})]
    assert any(line.startswith("Listed ") for line in lines)
    [summary] = ask(stack, "artifacts", artifacts={"key": {"any_": ["classify-summary"]}})
    page.goto(f"{stack.url}/v2/artifacts/artifact/{summary['id']}")
    pictures = page.locator("img[src^='data:image/png']")
    expect(pictures).to_have_count(2)
    assert pictures.first.evaluate("picture => picture.naturalWidth") > 100
    page.goto(page.get_by_role("link", name="Open the report").get_attribute("href"))
    assert page.url.endswith("/predictions/folders/seg_pred/report.html")
    assert page.title() == "1 bad file · Darkroom"


@pytest.mark.slow
def test_a_bad_value_is_refused_in_the_form(stack: Settings, page: Page):
    deployment_id = open_form(page, stack, "retrain", "on-demand")
    epochs = field(page, "Epochs")
    epochs.fill("0")
    submit(page)
    assert epochs.evaluate("field => field.validationMessage") == "Value must be greater than or equal to 1."
    assert not runs_of(stack, deployment_id)


@pytest.mark.slow
def test_a_retraining_is_cancelled_and_goes_on_where_it_was_when_retried(stack: Settings, page: Page):
    deployment_id = open_form(page, stack, "retrain", "on-demand")
    page.get_by_role("button", name="Remove mobilenet_v2 tag").click()
    expect(field(page, "Patience")).to_have_count(0)
    open_group(page, "More")
    open_group(page, "gate")
    values = {"Epochs": EPOCHS, "Patience": EPOCHS, "Image size": 48, "Batch size": 16, "Min accuracy": 0}
    for title, value in values.items():
        field(page, title).fill(str(value))
    submit(page)
    runs = Path(stack.store, "runs")
    until(lambda: list(runs.glob("*/cnn/history.csv")))
    [history] = runs.glob("*/cnn/history.csv")
    until(lambda: len(read_history(str(history))) > 3)
    [run] = runs_of(stack, deployment_id)
    page.goto(f"{stack.url}/v2/runs/flow-run/{run['id']}")
    assert training(stack)
    choose(page, "Cancel", "Cancel Flow Run")
    until(lambda: state_of(stack, deployment_id) != "RUNNING")
    page.goto("about:blank")  # the run's page draws all the time
    until(lambda: not training(stack), seconds=ENDED_SECONDS)
    until(lambda: state_of(stack, deployment_id) == "CANCELLED")
    before = read_history(str(history))
    assert len(before) < EPOCHS

    page.goto(f"{stack.url}/v2/runs/flow-run/{run['id']}")
    choose(page, "Retry", "Retry")
    until(lambda: state_of(stack, deployment_id) != "CANCELLED")
    page.goto("about:blank")
    until(lambda: state_of(stack, deployment_id) == "COMPLETED")
    after = read_history(str(history))
    assert len(after) == EPOCHS
    first = len(before) // 2  # the last ones' checkpoints may be lost: they are trained again, and alike
    assert after[:first] == before[:first]
    assert [losses(row) for row in after[: len(before)]] == [losses(row) for row in before]
    [folder] = runs.iterdir()
    assert storage.exists(f"{folder}/summary.json")
