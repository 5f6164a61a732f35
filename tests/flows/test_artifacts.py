"""What the Prefect UI, which reads artifacts as Markdown, makes of hostile names: in Chromium."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.services import (
    LOOPBACK,
    end,
    free_port,
    guards,
    listener_at,
    prefect_server,
    start,
    wait_until_ready,
)
from flows.runtime import setting
from tasks.publishing.retraining import publish_artifacts
from tasks.storage import Run
from tests.chromium import chromium
from tests.tasks.pages import records
from tests.tasks.pages.test_hostile import HOSTILE

LOGIN = ("admin", "secret")
UIS = {"": ".markdown-renderer", "/v2": "main"}  # Prefect's two, and where they show an artifact


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    port = free_port(LOOPBACK)
    listener = listener_at(LOOPBACK, port)
    service = prefect_server(LOOPBACK, listener, tmp_path / "server.log", LOGIN)
    url = f"http://{LOOPBACK}:{port}"
    own = {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_UI_API_URL": f"{url}/api"}
    process = start(service, guards(url, LOGIN) | own)
    try:
        wait_until_ready(service, process)
        with setting("api.auth_string", ":".join(LOGIN)), setting("api.url", f"{url}/api"):
            yield url
    finally:
        end([process])
        listener.close()


@pytest.mark.slow
def test_no_hostile_name_becomes_a_link_or_a_picture_in_the_prefect_ui(server: str, store: str, monkeypatch):
    monkeypatch.setattr(records, "CLASSES", HOSTILE)
    monkeypatch.setattr(records, "EVIL", HOSTILE[0])
    metrics = {"cnn": records.metrics()}
    publish_artifacts(Run(HOSTILE[1].replace("/", ""), store), records.summary(store, metrics), metrics, {})
    artifacts = httpx.post(f"{server}/api/artifacts/filter", json={}, auth=LOGIN).raise_for_status().json()
    assert {artifact["type"] for artifact in artifacts} == {"markdown", "table"}
    shown_text = dict.fromkeys(UIS, "")
    with chromium() as browser:
        page = browser.new_page()
        page.add_init_script(f"localStorage.setItem('prefect-password', btoa('{':'.join(LOGIN)}'))")
        for artifact in artifacts:
            for ui, content in UIS.items():
                page.goto(f"{server}{ui}/artifacts/artifact/{artifact['id']}")
                page.locator(content).first.wait_for()
                page.wait_for_load_state("networkidle")
                shown_text[ui] += page.locator("body").inner_text()
                assert page.locator(f"{content} img, a[href^='javascript:']").count() == 0
                assert page.title() != "taken"
    assert all(HOSTILE[0] in text for text in shown_text.values())
