"""The loop as a person lives it: a stack, its review page in Chromium, the retraining that answers start."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from deployments.settings import Settings
from tasks import storage
from tasks.corrections import Answer, read_answers
from tasks.storage import Run
from tests.chromium import chromium
from tests.faults.processes import PATIENCE_SECONDS, until
from tests.ports import free_ports
from tests.stacks import deployment, running, runs_of

ENOUGH = 12  # answers, ten of them in one tab
TWINS = 2  # of each class, that lie under the next one too
SMALL = {"models": ["cnn"], "epochs": 2, "image_size": 48, "batch_size": 16, "weights": "none"}
ANY = {"min_accuracy": 0, "min_class_recall": 0}


@pytest.fixture
def truth(sample: Path, tmp_path: Path) -> dict[str, str]:
    """The class of each content of a sample in which some pictures lie under a wrong class as well."""
    images = shutil.copytree(sample, tmp_path / "images")
    files = [file for split in ("seg_train", "seg_test") for file in (images / split / split).rglob("*.*")]
    classes = {storage.sha256(file.read_bytes()): file.parent.name for file in files}
    names = sorted(path.name for path in (images / "seg_train" / "seg_train").iterdir())
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        folder = images / "seg_train" / "seg_train" / name
        for file in sorted(folder.glob("*.jpg"))[:TWINS]:
            shutil.copy(file, folder.with_name(other) / f"twin-of-{file.name}")
    return classes


@pytest.fixture
def stack(truth: dict[str, str], tmp_path: Path) -> Iterator[Settings]:
    port, ray_port, files_port = free_ports(3)
    settings = Settings(
        home=tmp_path / "home",
        images=str(tmp_path / "images"),
        store=str(tmp_path / "store"),
        weights="none",
        port=port,
        ray_port=ray_port,
        files_port=files_port,
        retrain_answers=ENOUGH,
    )
    with running(settings):
        yield settings


@pytest.fixture
def browser(stack: Settings) -> Iterator[BrowserContext]:
    """Somebody's browser, who knows the password of the stack."""
    user, password = stack.login
    login = {"username": user, "password": password, "origin": stack.files_url}
    with chromium() as browser:
        yield browser.new_context(viewport={"width": 1400, "height": 900}, http_credentials=login)


def make_small(stack: Settings) -> str:
    """Let `retrain/on-demand` train little, and nothing run at night. Returns the deployment's id."""
    parameters = {"images": stack.images, "store": stack.store, "training": SMALL, "gate": ANY}
    on_demand = deployment(stack, "retrain", "on-demand")["id"]
    changes = {deployment(stack, flow, "nightly")["id"]: {"paused": True} for flow in ("retrain", "classify")}
    for id, change in (changes | {on_demand: {"parameters": parameters}}).items():
        answer = httpx.patch(f"{stack.url}/api/deployments/{id}", json=change, auth=stack.login, timeout=60)
        answer.raise_for_status()
    return on_demand


def press_run(stack: Settings, deployment_id: str) -> None:
    url = f"{stack.url}/api/deployments/{deployment_id}/create_flow_run"
    httpx.post(url, json={}, auth=stack.login, timeout=60).raise_for_status()


def run_number(stack: Settings, deployment_id: str, number: int) -> dict[str, Any]:
    """The state of a deployment's run, counted from 1, once it is completed."""

    def states() -> list[dict[str, Any]]:
        states = [run["state"] for run in runs_of(stack, deployment_id)[:number]]
        assert not {state["type"] for state in states} & {"FAILED", "CRASHED"}, states
        return states

    until(lambda: [state["type"] for state in states()] == ["COMPLETED"] * number)
    return states()[-1]


def open_review(browser: BrowserContext, stack: Settings) -> Page:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.goto(stack.review_url)
    expect(page.locator("#classes button").first).to_be_visible()
    return page


def answer_truthfully(page: Page, truth: dict[str, str], count: int) -> None:
    """Answer the next questions by keyboard, and wait until the answers are in the store."""
    classes = sorted(set(truth.values()))
    page.evaluate("poll()")
    for _ in range(count):
        page.keyboard.press(str(1 + classes.index(truth[page.evaluate("current")])))
    until(lambda: page.evaluate("csrf && !unsaved.length && !sending"))


def last_run(stack: Settings) -> Run:
    return Run(storage.names(storage.runs_url(stack.store))[-1], stack.store)


@pytest.mark.slow
def test_answers_start_a_retraining_that_learns_from_them_and_the_next_has_nothing_new(
    stack: Settings, browser: BrowserContext, truth: dict[str, str]
):
    on_demand = make_small(stack)
    press_run(stack, on_demand)
    waiting = run_number(stack, on_demand, 1)["message"]
    assert re.search(r"\d+ questions; about \d+ minutes?$", waiting)

    page = open_review(browser, stack)
    answer_truthfully(page, truth, 5)
    answer_truthfully(open_review(browser, stack), truth, 2)
    assert len(read_answers(stack.store)) == ENOUGH - 5
    assert len(runs_of(stack, on_demand)) == 1
    answer_truthfully(page, truth, 5)
    run_number(stack, on_demand, 2)  # nobody has pressed Run

    answers = list(read_answers(stack.store))
    assert len({answer.sha256 for answer in answers}) == ENOUGH
    corrected = check_report(last_run(stack), answers)
    assert corrected >= ENOUGH / 2
    page.reload()
    expect(page.locator("#classes button").first).to_be_visible()
    assert not {answer.sha256 for answer in answers} & set(page.evaluate("openIds()"))

    before = last_run(stack)
    press_run(stack, on_demand)
    assert run_number(stack, on_demand, 3)["message"].startswith(f"Nothing new since {before.name}")
    assert last_run(stack) == before
    assert len(runs_of(stack, on_demand)) == 3


def check_report(run: Run, answers: list[Answer]) -> int:
    """The report of a run says what changed because of the answers. Returns how many labels did."""
    corrected = sum(answer.kind == "conflict" for answer in answers)
    summary = storage.read_json(storage.summary_url(run.folder_url))
    assert sum(summary["dataset"]["corrected"].values()) == corrected
    assert summary["changes"]["relabelled"] == corrected > 0
    page = storage.read_bytes(storage.report_url(run.folder_url)).decode()
    assert f"{corrected} labels were corrected by people" in page
    return corrected
