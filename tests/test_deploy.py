"""Deployments and automations: what a person changed in Prefect is kept, events start what they should."""

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.testing.cli import CycloptsCliRunner
from starlette.testclient import TestClient

from deployments.automations import (
    BASELINE,
    DRIFT,
    FAILURES,
    LABELLED,
    RETIRED,
    ZOMBIES,
    digest,
    retrain_on_answers,
    write_automations,
)
from deployments.baseline import write_baseline
from deployments.deploy import FILE, deploy
from deployments.files import files_app
from deployments.settings import Settings
from flows.classify import announce_answers
from tasks import events, storage
from tasks.corrections import Answer, record_answers
from tasks.parameters import Training
from tasks.registry import announce_labels
from tasks.storage import Run
from tasks.training import open_run
from tests.events import payloads_of
from tests.faults.processes import until

DROP = Answer("ab" * 32, "drop", None, None, None, None, "unsure", None, "me", "2026-11-26T10:00:00")


def automations(api: str) -> dict[str, dict]:
    answer = httpx.post(f"{api}/automations/filter", json={}).raise_for_status().json()
    return {one["name"]: one for one in answer}


def deploy_in_process(settings: Settings) -> None:
    """As `run_prefect_deploy` does, but without a process that imports everything again."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.deployed.items():
            patch.setenv(name, value)
        done = CycloptsCliRunner().invoke(["--no-prompt", "deploy", "--prefect-file", str(FILE), "--all"])
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def deploy_again(prefect_api: None) -> Iterator[Callable[..., str]]:
    """A function that deploys everything, with other settings, and returns what it says that it kept."""

    def again(**settings: str) -> str:
        with get_client(sync_client=True) as client, redirect_stdout(io.StringIO()) as said:
            deploy(client, Settings(**settings))
        return said.getvalue()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deployments.deploy.run_prefect_deploy", deploy_in_process)
        yield again
    forget_all()


def forget_all() -> None:
    """Have the server as it was before anything was deployed."""
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        for variable in client.read_variables():
            client.delete_variable_by_name(variable.name)


def test_what_a_person_changed_in_prefect_is_kept_and_the_rest_follows_the_variables(
    api: str, deploy_again, monkeypatch: pytest.MonkeyPatch
):
    def deployment(name: str) -> dict:
        return httpx.get(f"{api}/deployments/name/{name}").raise_for_status().json()

    def change(name: str, **fields) -> None:
        httpx.patch(f"{api}/deployments/{deployment(name)['id']}", json=fields).raise_for_status()

    monkeypatch.setenv("DARKROOM_FILES_URL", "http://127.0.0.1:4201")
    assert "Kept" not in deploy_again(retrain_cron="30 3 * * 1", timezone="America/Lima")
    [schedule] = [one["schedule"] for one in deployment("retrain/nightly")["schedules"]]
    assert (schedule["cron"], schedule["timezone"]) == ("30 3 * * 1", "America/Lima")
    description = deployment("retrain/nightly")["description"]
    assert "by the clock of America/Lima" in description
    assert description.endswith("[All that happened](http://127.0.0.1:4201/)")

    evening = {"schedule": {"cron": "0 20 * * *", "timezone": "America/Lima"}, "active": False}
    change("retrain/nightly", schedules=[evening | {"slug": "nightly"}])
    schedules = f"{api}/deployments/{deployment('classify/nightly')['id']}/schedules"
    noon = {"schedule": {"cron": "0 12 * * *"}, "active": True}
    httpx.post(schedules, json=[noon]).raise_for_status()
    parameters = deployment("retrain/on-demand")["parameters"]
    change("retrain/on-demand", paused=True, parameters=parameters | {"training": {"weights": "none"}})
    httpx.delete(f"{api}/deployments/{deployment('explore/folder')['id']}").raise_for_status()
    watched = automations(api)
    httpx.patch(f"{api}/automations/{watched[ZOMBIES]['id']}", json={"enabled": False}).raise_for_status()
    httpx.delete(f"{api}/automations/{watched[LABELLED]['id']}").raise_for_status()
    for _ in range(2):  # not only once
        said = deploy_again(images="/elsewhere", classify_cron="30 4 * * *")
        [schedule] = deployment("retrain/nightly")["schedules"]
        assert (schedule["active"], schedule["schedule"]["cron"]) == (False, "0 20 * * *")
        crons = {one["schedule"]["cron"] for one in deployment("classify/nightly")["schedules"]}
        assert crons == {"0 5 * * *", "0 12 * * *"}
        on_demand = deployment("retrain/on-demand")
        assert on_demand["paused"]
        assert on_demand["parameters"]["training"] == {"weights": "none"}
        assert on_demand["parameters"]["images"] == "/elsewhere"
        assert httpx.get(f"{api}/deployments/name/explore/folder").status_code == 404
        after = automations(api)
        assert LABELLED not in after
        assert not after[ZOMBIES]["enabled"]
        for name in ("retrain/nightly (schedules)", "explore/folder (deleted)", ZOMBIES):
            assert name in said


def test_a_stack_started_again_still_watches_the_runs_that_it_lost(api: str, deploy_again):
    def watched_by(**settings: str) -> dict[str, str]:
        with get_client(sync_client=True) as client:
            write_automations(client, Settings(**settings), None)
        return {name: one["trigger"]["id"] for name, one in automations(api).items()}

    hook = "http://127.0.0.1:1/hook"
    first = watched_by(notify=hook)
    assert {DRIFT, FAILURES} <= first.keys()
    assert watched_by(notify=hook) == first
    assert watched_by() == {name: first[name] for name in first.keys() - {DRIFT, FAILURES}}


@pytest.mark.parametrize(
    ("whose", "stays"),
    [("written by an older Darkroom", False), ("changed by a person", True), ("made by a person", True)],
)
def test_an_older_stack_retrains_on_drift_no_more_unless_a_person_would_have_it_so(
    whose: str, stays: bool, api: str, deploy_again
):
    forget_all()
    with get_client(sync_client=True) as client:
        older = retrain_on_answers(uuid4()).model_copy(update={"name": RETIRED})
        client.create_automation(older)
        baseline = {ZOMBIES: None} if whose == "made by a person" else {RETIRED: digest(older)}
        write_baseline(client, BASELINE, baseline)
        if whose == "changed by a person":
            present = automations(api)[RETIRED]["id"]
            httpx.patch(f"{api}/automations/{present}", json={"enabled": False}).raise_for_status()
        for _ in range(2):
            kept = write_automations(client, Settings(), None)
            assert (RETIRED in automations(api)) == stays
            assert (RETIRED in kept) == (whose == "changed by a person")


@pytest.fixture
def hook() -> Iterator[tuple[str, list[str]]]:
    """The URL of a webhook, and what it was told."""
    told: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()


def test_enough_answers_start_a_retraining_and_drift_tells_the_webhook(
    api: str, deploy_again, hook: tuple[str, list[str]], store: str
):
    url, told = hook
    forget_all()
    deploy_again(notify=url)
    on_demand = httpx.get(f"{api}/deployments/name/retrain/on-demand").json()["id"]

    def runs() -> list[dict]:
        asked = {"deployments": {"id": {"any_": [on_demand]}}}
        return httpx.post(f"{api}/flow_runs/filter", json=asked).raise_for_status().json()

    answer = Answer("", "label", "sea", "sky", "sea", 0.9, "wrong_label", None, "me", "2026-11-26T10:00:00")
    for number in range(4):
        content = replace(answer, sha256=storage.sha256(bytes([number])))
        record_answers(store, [content, replace(content, decision="later", label=None)])
        assert announce_labels(store, enough=3) == number % 3 + 1
    drift = {"words": "brightness of 7 new files differs", "report": "report.html"}
    events.send_event(events.DRIFT, {"prefect.resource.id": "darkroom.model.v1"}, drift)
    until(lambda: runs() and told)
    assert len(runs()) == 1
    assert "brightness of 7 new files differs" in told[0]


def answer_some(store: str, count: int) -> None:
    """Record answers as any process does that tells no server of them."""
    record_answers(store, [replace(DROP, sha256=storage.sha256(os.urandom(8))) for _ in range(count)])


def announced(store: str) -> list[int]:
    """How many answers about a store each announcement told of, as the Prefect server has them."""
    payloads = payloads_of(events.LABELLED)
    return [payload["answers"] for payload in payloads if payload["store"] == storage.absolute(store)]


def test_answers_that_a_retraining_has_seen_are_not_announced_again(store: str):
    record_answers(store, [DROP] * 3)
    open_run.fn(Run("2026-11-26T02-00-00-0001", store), "9f3c", Training(), {})
    record_answers(store, [DROP])
    assert announce_labels(store, enough=100) == 1


def test_what_the_server_could_not_hear_is_announced_later_and_by_two_at_once_once(api: str, store: str):
    answer_some(store, 3)
    nobody = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(nobody), pytest.raises(httpx.ConnectError):
        announce_labels(store, enough=3)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: announce_labels(store, enough=3), range(4)))
    answer_some(store, 4)
    assert announce_labels(store, enough=3) == 4
    until(lambda: len(announced(store)) > 1)
    assert announced(store) == [3, 4]


def test_the_stacks_server_notices_answers_that_nobody_told_it_of(
    api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("deployments.files.WATCH_SECONDS", 0.1)
    settings = Settings(home=tmp_path, password="secret", retrain_answers=2)
    store = settings.places["store"]
    with TestClient(files_app(settings)):
        for number in (1, 2):
            answer_some(store, 2)
            until(lambda number=number: len(announced(store)) == number)
        answer_some(store, 1)
    assert announced(store) == [2, 2]


def test_a_deployed_classification_announces_answers_and_one_from_a_command_line_does_not(
    api: str, store: str, monkeypatch: pytest.MonkeyPatch
):
    """Its temporary server has no automation, and would hear it in vain."""

    @flow
    def night() -> None:
        announce_answers(store)

    monkeypatch.setenv("DARKROOM_RETRAIN_ANSWERS", "2")
    answer_some(store, 2)
    night()
    assert announce_labels(store, enough=100) == 2  # not counted yet
    with get_client(sync_client=True) as client:
        deployment_id = client.create_deployment(client.create_flow(night), name="night")
        run_flow(night, flow_run=client.create_flow_run_from_deployment(deployment_id))
        client.delete_deployment(deployment_id)
    until(lambda: announced(store))
    assert announced(store) == [2]
