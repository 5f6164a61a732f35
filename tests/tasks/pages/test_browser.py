"""Every page in Chromium: whole on phones and desks, light and dark, and for those who hear it."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tasks.pages import html
from tests.chromium import chromium
from tests.tasks.pages import records
from tests.tasks.pages.whole import whole_pages

WIDTHS, SCHEMES = (390, 1400), ("light", "dark")
CLASSES = [pytest.param(2, marks=pytest.mark.slow), 6, pytest.param(60, marks=pytest.mark.slow)]
OVERFLOW = """() => [document.documentElement.scrollWidth - innerWidth,
    ...[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg') &&
    e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className)]"""
AXE = "() => axe.run().then(result => result.violations.map(found => `${found.id}: ${found.nodes[0].html}`))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


@pytest.mark.parametrize("classes", CLASSES)
def test_every_page_is_whole_at_any_width_light_and_dark_and_for_those_who_hear_it(
    classes: int, page: Page, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if is_elsewhere(request.url) else None)
    axe = (files("axe_playwright_python") / "axe.min.js").read_text()
    for name, content in whole_pages(store, tmp_path, classes, monkeypatch).items():
        (tmp_path / f"{name}.html").write_text(content)
        page.goto(f"file://{tmp_path}/{name}.html")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(OVERFLOW) == [0], (name, width)
        page.evaluate(axe)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(AXE) == [], (name, scheme)
        assert complaints == [], name


BARS_OVER_NUMBERS = """() => [...document.querySelectorAll('td.bar')].filter(cell => {
    cell.style.setProperty('--share', '100%');
    cell.textContent = '100.0 %';
    const text = document.createRange();
    text.selectNodeContents(cell);
    const box = cell.getBoundingClientRect(), size = getComputedStyle(cell).backgroundSize;
    const end = box.left + box.width * parseFloat(size.replace('calc(', '')) / 100;
    return end > text.getBoundingClientRect().left;
}).length"""
TORN = """() => {
    const path = document.querySelector('code.path');
    path.closest('li, td, p').style.width = '9rem';
    return path.childNodes.length > 1 && [...path.childNodes].filter(part => {
        const text = document.createRange();
        text.selectNodeContents(part);
        return text.getClientRects().length > 1;
    }).length;
}"""


def test_no_bar_lies_under_its_number_and_no_name_in_a_path_is_torn(page: Page, tmp_path: Path):
    rows = [records.prediction("seg_test/seg_test/mountain/3439.jpg", "sea", 0.3, status="unsure")]
    summary, tally = records.classification(tmp_path / "rows", rows)
    content = html.classify_report(summary, tally.bad, tally.least_sure, {})
    (tmp_path / "page.html").write_text(content)
    page.goto(f"file://{tmp_path}/page.html")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("() => document.querySelectorAll('td.bar').length") > 0
        assert page.evaluate(BARS_OVER_NUMBERS) == 0, width
    assert page.evaluate("() => document.querySelector('code.path').textContent") == rows[0]["path"]
    assert page.evaluate(TORN) == 0


def is_elsewhere(url: str) -> bool:
    return not url.startswith(("file://", "data:"))


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Page]]:
    """Opens one of the pages of six classes by its name."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as monkeypatch:
        pages = whole_pages(str(folder / "store"), folder, 6, monkeypatch)
    page = browser.new_page(viewport={"width": 1400, "height": 900})

    def open_page(name: str) -> Page:
        (folder / f"{name}.html").write_text(pages[name])
        page.goto(f"file://{folder}/{name}.html")
        return page

    yield open_page
    page.close()


def test_a_click_on_a_heading_sorts_a_table_by_its_numbers(opened: Callable[[str], Page]):
    table = opened("retrain").get_by_role("region", name="cnn class by class", exact=True)
    recall = table.locator("tbody td:nth-child(3)")
    shares = [float(text.split()[0]) for text in recall.all_inner_texts()]
    table.get_by_role("button", name="recall").click()
    assert [float(text.split()[0]) for text in recall.all_inner_texts()] == sorted(shares)
    table.get_by_role("button", name="recall").click()
    assert [float(text.split()[0]) for text in recall.all_inner_texts()] == sorted(shares, reverse=True)


def test_a_click_on_a_path_copies_it_and_says_so(opened: Callable[[str], Page]):
    page = opened("classify")
    path = page.locator("code.path").first
    path.click()
    assert page.get_by_role("status").inner_text() == f"Copied {path.inner_text()}"


def test_the_home_page_is_filtered_by_kind_and_whole_without_a_script(opened: Callable[[str], Page]):
    page = opened("index")
    rows = page.locator("tr[data-kind]:visible")
    assert rows.count() == 4
    page.get_by_role("button", name="decision").click()
    assert [rows.count(), rows.first.get_attribute("data-kind")] == [1, "decision"]


def test_a_list_is_downloaded_from_the_page_itself(opened: Callable[[str], Page]):
    for name, link in (("retrain", "wrong as CSV"), ("classify", "Download as CSV")):
        with opened(name).expect_download() as download:
            opened(name).get_by_role("link", name=link).click()
        assert Path(download.value.path()).read_text() == "path\n"


def test_in_print_all_that_is_folded_is_opened(opened: Callable[[str], Page]):
    page = opened("retrain")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.emulate_media(media="screen")
