"""The page of an exploration: whether the data is sound, and why."""

import re
from base64 import b64encode

import pytest
from jinja2 import UndefinedError

from tasks.audit import CHECKS, Check
from tasks.pages import html
from tests.tasks.pages import records
from tests.tasks.pages.browser import EVIL, Page
from tests.tasks.pages.records import DARK

JPEG = b"\xff\xd8 photograph of "
PHOTOS = {f"photo:{path}": JPEG + path.encode() for path in (EVIL, "b.jpg", DARK)}


def test_an_exploration_says_first_whether_the_data_is_sound_then_shows_why(audit):
    page = html.explore_report(audit, PHOTOS, "/data")
    body = page[page.index("<h1>") :]
    statements = [
        "Not sound yet",
        "1 training or validation image is a copy",
        "60 files cannot be used",
        "<nav",
        "97 %",
    ]
    places = [body.index(words) for words in statements]
    assert places == sorted(places)
    assert {b64encode(photo).decode() for photo in PHOTOS.values()} == {
        source.partition(",")[2] for source in Page(page).sources
    }


def test_an_exploration_has_a_section_for_every_check_and_a_link_to_it(audit):
    page = html.explore_report(audit, {}, "/data")
    for check in CHECKS:
        assert f'<section id="{check.name}">\n<h2>{check.title}</h2>' in page
    sections = [f"#{check.name}" for check in CHECKS]
    assert Page(page).links[-len(sections) - 1 :] == [*sections, "#look"]
    assert set(Page(page).links[1:]) <= {*sections, "#look"}


def test_a_check_without_a_macro_is_an_error(audit, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(html._environment().globals, "CHECKS", (*CHECKS, Check("colours", "Colours")))
    html._environment().cache.clear()
    with pytest.raises(UndefinedError, match="colours"):
        html.explore_report(audit, {}, "/data")
    html._environment().cache.clear()


def test_a_folder_without_a_usable_image_is_explored(store: str):
    audit = records.audit(store, [row for row in records.index_rows() if row["status"] != "ok"])
    text = Page(html.explore_report(audit, {}, "/data")).text
    assert "usable images 0 classes 0" in re.sub(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])", " ", text)


def test_long_lists_are_cut_and_say_so(audit):
    page = html.explore_report(audit, {}, "/data")
    assert page.count("<td>corrupt</td>") == html.ROWS_SHOWN
    assert "10 more; <code>audit.json</code> has all 60." in page
