"""Names of hostile files and classes do nothing in a browser, and would not if one became markup."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Page, Request

from tasks.pages import data_figures, html, link_to_report, markdown, model_card, model_figures, style
from tests.chromium import chromium
from tests.tasks.pages import records

RUN = "document.title = 'taken'"
HOSTILE = (
    f'"><script>{RUN}</script><img src=x onerror="{RUN}">',
    f"'><svg/onload={RUN}>{{{{7*7}}}}&lt;b&gt;`[x](javascript:{RUN})`",
    "![x](http://127.0.0.1:9/x.png) <style>*{display:none}</style> | $\\frac{$ \\ $",
)
ATTACK = (  # what a name may be, were it markup
    f'<script>{RUN}</script><img src=x onerror="{RUN}"><a id=link href="javascript:{RUN}">x</a>'
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe><base href=http://127.0.0.1:9/>'
    "<style>body { display: none }</style><link rel=stylesheet href=http://127.0.0.1:9/x.css>"
    "<form id=form action=http://127.0.0.1:9/><input name=x></form>"
    f'<object data="data:text/html,<script>{RUN}</script>"></object>'
)


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page()


@pytest.fixture
def pages(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every page about files and classes of HOSTILE names, as HTML."""
    monkeypatch.setattr(records, "CLASSES", HOSTILE)
    monkeypatch.setattr(records, "EVIL", HOSTILE[0])
    metrics, audit = {"cnn": records.metrics()}, records.audit(store)
    summary, card = records.summary(store, metrics), records.model_record(store, metrics["cnn"])
    rows: list[dict[str, Any]] = [records.prediction(name, name, 0.3) for name in HOSTILE]
    rows += [{"path": name, "status": "corrupt", "error": name} for name in HOSTILE]
    classified, tally = records.classification(tmp_path, rows, test_images=500)
    photos = {f"photo:{HOSTILE[0]}": b"\xff\xd8"}
    run = summary | {"run": HOSTILE[1], "started": "2026-11-26T10:00:00+00:00"}
    link, render = link_to_report(HOSTILE[1], None), MarkdownIt("commonmark").enable("table").render
    return {
        "retrain": html.retrain_report(summary, audit, metrics, photos),
        "explore": html.explore_report(audit, photos, HOSTILE[1]),
        "classify": html.classify_report(classified, tally.bad, tally.least_sure, {}),
        "index": html.overview_report(HOSTILE[0], happenings(run), card | {"version": HOSTILE[2]}, []),
        "card": render(model_card(card, metrics["cnn"])),
        "retrain.md": render(markdown.retrain_markdown(summary, metrics, {}, link)),
        "explore.md": render(markdown.explore_markdown(audit, {}, link)),
        "classify.md": render(markdown.classify_markdown(classified, {}, link)),
    }


def happenings(run: dict[str, Any]) -> list[dict[str, Any]]:
    """What the home page of a store tells: a retraining, a decision and a classification."""
    decision = {"action": "promote", "version": HOSTILE[0], "reason": HOSTILE[1], "by": HOSTILE[2]}
    output = dict.fromkeys(("root", "output", "model", "verdict"), HOSTILE[2])
    output |= dict.fromkeys(("images", "ok", "unsure", "bad"), 3)
    records = {"retraining": run, "decision": decision, "classification": output}
    return [
        {"kind": kind, "at": "2026-11-26T10:00:00+00:00", "link": None, "record": record}
        for kind, record in records.items()
    ]


def visit(page: Page, folder: Path, content: str) -> list[str]:
    """Open a page from disk. Returns what it loaded, or tried to and no policy forbade, besides itself."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.failure != "csp":
            asked.append(request.url)

    (folder / "page.html").write_text(content)
    page.on("requestfinished", note)
    page.on("requestfailed", note)
    page.goto(f"file://{folder}/page.html")
    page.wait_for_timeout(100)
    page.remove_listener("requestfinished", note)
    page.remove_listener("requestfailed", note)
    return [url for url in asked if not url.startswith(("data:", f"file://{folder}/page.html"))]


def test_no_hostile_name_does_anything_in_any_page(browser_page: Page, pages: dict[str, str], tmp_path: Path):
    for name, content in pages.items():
        assert visit(browser_page, tmp_path, content) == [], name
        assert browser_page.title() != "taken", name
        text = browser_page.locator("body").inner_text()
        assert any(" ".join(evil.split()) in " ".join(text.split()) for evil in HOSTILE), name
        elements = browser_page.locator("img:not([src^='data:']), iframe, form, svg[onload]").count()
        links = browser_page.locator("a").evaluate_all("links => links.map(link => link.href)")
        assert elements == 0, name
        assert not [link for link in links if not link.startswith(f"file://{tmp_path}/")], name


def test_markup_that_got_into_a_page_would_run_and_load_nothing(
    browser_page: Page, pages: dict[str, str], tmp_path: Path
):
    for name in ("retrain", "explore", "classify", "index"):
        content = pages[name].replace("<main", ATTACK + "<main", 1)
        assert visit(browser_page, tmp_path, content) == [], name
        assert browser_page.locator("main").is_visible(), name
        browser_page.evaluate("document.getElementById('link').click()")
        browser_page.evaluate("document.getElementById('form').submit()")
        browser_page.wait_for_timeout(100)
        assert browser_page.title() != "taken", name
        assert browser_page.url == f"file://{tmp_path}/page.html", name


def test_pages_look_as_they_did_before_they_had_a_policy(
    browser_page: Page, pages: dict[str, str], tmp_path: Path
):
    complaints: list[str] = []
    browser_page.on("console", lambda message: complaints.append(message.text))
    visit(browser_page, tmp_path, pages["retrain"])
    share = "getComputedStyle(document.querySelector('td.bar')).getPropertyValue('--share')"
    assert browser_page.evaluate("getComputedStyle(document.body).counterReset") == "frame 0"
    assert browser_page.evaluate(share).endswith("%")
    assert complaints == []


def test_hostile_names_can_be_drawn():
    counts = {name: number for number, name in enumerate(HOSTILE, start=1)}
    images = np.zeros((3, 8, 8, 3), np.uint8)
    for figure in (
        data_figures.class_pie(counts),
        data_figures.split_bars({"train": counts}),
        data_figures.mean_grid(dict(zip(HOSTILE, images, strict=True))),
        model_figures.confusion_matrix(np.eye(3, dtype=int), HOSTILE),
        model_figures.label_bars(counts),
        style.sample_grid(images, HOSTILE),
    ):
        assert style.png(figure)
