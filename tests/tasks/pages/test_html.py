"""The pages are whole, safe and self-contained."""

import re
from base64 import b64encode

import pytest

from tasks.pages import html
from tests.tasks.pages.browser import EVIL, Page

AWKWARD = """&<>"'"""
PNG = b"\x89PNG picture of "
SUSPECT = {"path": EVIL, "given": EVIL, "suggested": "sea", "suggested_probability": 0.97}
DARK = {"path": f"dark/{EVIL}", "brightness": 0.02}
DATA_PICTURES = ["classes.png", "splits.png", "samples.png", "means.png", "sizes.png"]
JPEG = b"\xff\xd8 photograph of "
PHOTOS = {f"photo:{path}": JPEG + path.encode() for path in (EVIL, "b.jpg", DARK["path"])}
EVIDENCE = {f"{name}:cnn:{EVIL}": JPEG + name.encode() for name in ("said", "true")}
RETRAIN_PICTURES = [
    *DATA_PICTURES,
    "comparison.png",
    *(f"cnn/{name}.png" for name in ("learning_curves", "confusion", "reliability", "curves", "slices")),
]


def rule(name: str, asks: str, limit: float | None, value: float | None, passed: bool) -> dict:
    return {"name": name, "asks": asks, "limit": limit, "value": value, "passed": passed, "text": EVIL}


def pictures(names: list[str]) -> dict[str, bytes]:
    return {name: PNG + name.encode() for name in names}


def uri(picture: bytes) -> str:
    return "data:image/png;base64," + b64encode(picture).decode()


@pytest.fixture
def summary() -> dict:
    return {
        "run": "2026-11-22T10-30-05",
        "started": "2026-11-22T10:30:05+00:00",
        "seconds": 812.3,
        "dataset": {
            "root": "/data",
            "fingerprint": "9f3c",
            "classes": [EVIL, "sea"],
            "counts": {"train": 80, "val": 10, "test": 1623},
        },
        "models": {
            "cnn": {
                "parameters": 10637126,
                "seconds": 500.1,
                "test": {"accuracy": 0.845, "low": 0.826, "high": 0.862, "ece": 0.05},
            }
        },
        "comparison": None,
        "champion": {
            "version": "v2-cnn",
            "model": "cnn",
            "promoted": True,
            "reason": f"Better on {EVIL}.",
            "previous": EVIL,
            "comparison": {
                "images": 1623,
                "both_right": 1400,
                "only_first": 20,
                "only_second": 60,
                "neither": 143,
                "p_value": 0.00001,
                "left_out": 12,
                "per_class": [
                    {"class": EVIL, "images": 9, "champion_recall": 0.8, "challenger_recall": 0.75},
                    {"class": AWKWARD, "images": 9, "champion_recall": 0.8, "challenger_recall": 0.9},
                ],
            },
            "rules": [
                rule("test accuracy", "at least", 0.5, 0.845, True),
                rule(f"recall of {EVIL}", "at least", 0.8, 0.75, False),
                rule("classes of the champion", "the same", None, None, True),
            ],
        },
        "changes": {
            "dataset": EVIL,
            "same": False,
            "kept": True,
            "counts": {"train": {EVIL: [40, 52], AWKWARD: [40, 40]}},
            "new": 14,
            "gone": 2,
            "relabelled": 1,
            "moved": 0,
        },
        "stages": {"decode": 3.4},
        "training": {"weights": EVIL, "fine_tune": True},
        "versions": {"darkroom": "0.1.0"},
    }


@pytest.fixture
def metrics() -> dict:
    return {
        "cnn": {
            "test": {"macro_f1": 0.841, "roc_auc": None, "ece": 0.05, "ece_calibrated": 0.01},
            "per_class": [{"class": EVIL, "precision": 0.5, "recall": float("nan"), "f1": 0.4, "support": 9}],
            "confused": [{"words": f"{EVIL} is taken for sea in 25.0 % of its images (5)"}],
            "slices": [
                {
                    "look": EVIL,
                    "worse": True,
                    "words": EVIL,
                    "class": EVIL,
                    "class_share": 0.5,
                    "p_value": 0.01,
                }
            ],
            "learning": {"verdict": "Validation turned at epoch 14."},
            "mistakes": [{"path": EVIL, "label": "sea", "predicted": EVIL, "confidence": 0.99}],
        }
    }


@pytest.fixture
def audit() -> dict:
    return {
        "counts": {"files": 70, "ok": 10, "bad": 60, "unlabelled": 1, "duplicates": 2, "leaked": 1},
        "splits": {"train": {EVIL: 0, "sea": 3}},
        "labels": {"checked": 10, "suspected": 1, "suspects": [SUSPECT]},
        "outliers": [{"kind": "dark", "measure": "brightness", "images": 1, "examples": [DARK]}],
        "bad": [{"path": f"{i}/{EVIL}", "status": "corrupt", "reason": EVIL} for i in range(60)],
        "duplicates": [
            {"paths": [EVIL, "b.jpg"], "kind": "exact", "across_splits": True, "labels_conflict": True}
        ],
    }


@pytest.fixture
def pages(summary, audit, metrics) -> list[str]:
    bad = [{"path": EVIL, "status": "corrupt", "error": EVIL}]
    unsure = [{"path": EVIL, "label": EVIL, "confidence": 0.3}]
    counted = {
        "images": 3,
        "ok": 2,
        "bad": 1,
        "labels": {EVIL: 2},
        "root": EVIL,
        "output": EVIL,
        "model": EVIL,
    }
    return [
        html.retrain_report(summary, audit, metrics, pictures(RETRAIN_PICTURES) | PHOTOS | EVIDENCE),
        html.explore_report(audit, pictures(DATA_PICTURES) | PHOTOS, EVIL),
        html.classify_report(counted, bad, unsure, pictures(["labels.png", "confidence.png", "unsure.png"])),
    ]


def test_no_name_can_become_markup(pages):
    for page in pages:
        assert EVIL not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert not Page(page).handlers
        assert "script" not in Page(page).tags


def test_names_of_markup_are_shown_as_they_are(pages):
    assert Page(pages[0]).text.count(AWKWARD) >= 2


def test_a_page_loads_nothing_from_anywhere(pages):
    for page in pages:
        read = Page(page)
        assert all(
            re.match("data:image/(png|jpeg);base64,[A-Za-z0-9+/=]*$", source) for source in read.sources
        )
        assert all(link.startswith(("#", "data:")) for link in read.links)
        assert not re.search(r"https?://|@import|url\(", page)


def test_every_picture_is_in_the_page_once(summary, audit, metrics):
    given = pictures(RETRAIN_PICTURES)
    page = html.retrain_report(summary, audit, metrics, given)
    assert sorted(Page(page).sources) == sorted(uri(picture) for picture in given.values())


def test_an_exploration_says_first_whether_the_data_is_sound_then_shows_why(audit):
    page = html.explore_report(audit, PHOTOS)
    body = page[page.index("<h1>") :]
    told = [
        "Not sound yet",
        "1 training or validation image is a copy",
        "60 files cannot be used",
        "<nav>",
        "97 %",
    ]
    places = [body.index(words) for words in told]
    assert places == sorted(places)
    assert {b64encode(photo).decode() for photo in PHOTOS.values()} == {
        source.partition(",")[2] for source in Page(page).sources
    }


def test_the_verdict_comes_first_and_says_why(summary, audit, metrics):
    page = html.retrain_report(summary, audit, metrics, {})
    for earlier, later in (
        ("cnn is the new champion", "84.5 %"),
        ("84.5 %", "Better on"),
        ("Better on", "<nav>"),
    ):
        assert page.index(earlier, page.index("<h1>")) < page.index(later, page.index("<h1>"))
    assert "95 % interval 82.6 % to 86.2 %<br>a little flattered" in page


def test_the_rules_and_what_changed_since_the_champion_are_told(summary, audit, metrics):
    page = Page(html.retrain_report(summary, audit, metrics, {}, "../../index.html"))
    assert page.texts_of("li", "met") == [
        "test accuracy 0.845 at least 0.500",
        "classes of the champion the same",
    ]
    assert page.texts_of("li", "broken") == [f"recall of {EVIL} 0.750 at least 0.800"]
    assert page.texts_of("td", "num change down") == ["\N{MINUS SIGN}5.0"]
    assert page.texts_of("td", "num change up") == ["+10.0"]
    assert "That is more than chance (exact McNemar test, p < 0.0001)." in page.text
    assert "12 more test images are left out of this: the champion was trained on them" in page.text
    assert "14 images are new and 2 gone; 1 image has another label, 0 another split or are" in page.text
    assert "../../index.html" in page.links
    summary["changes"] = {"dataset": "d8f4", "same": False, "kept": False}
    assert "d8f4, which has been removed" in Page(html.retrain_report(summary, audit, metrics, {})).text


def test_a_refused_model_is_called_refused(summary):
    summary["champion"] |= {"promoted": False, "previous": "v1-cnn"}
    page = html.retrain_report(summary, {}, {}, {})
    assert "Refused" in page
    assert "cnn was not promoted" in page
    assert "The champion stays: v1-cnn" in page
    assert "flattered" not in page


def test_long_lists_are_cut_and_say_so(audit):
    page = html.explore_report(audit, {})
    assert page.count("corrupt") == html.ROWS_SHOWN
    assert "10 more; <code>audit.json</code> has all 60." in page


def test_numbers_that_are_missing_are_dashes(summary, audit, metrics):
    page = html.retrain_report(summary, audit, metrics, {})
    assert "nan" not in page
    assert html.percent(None) == html.percent(float("nan")) == html.number("") == "\N{EN DASH}"


def test_every_page_stands_without_its_pieces():
    for page in (
        html.retrain_report({}, {}, {}, {}),
        html.explore_report({}, {}),
        html.classify_report({}, [], [], {}),
    ):
        assert page.rstrip().endswith("</html>")
        assert "Undefined" not in page


@pytest.mark.parametrize(
    ("seconds", "written"), [(4.25, "4.2 s"), (812.3, "13 min 32 s"), (7500, "2 h 05 min")]
)
def test_durations_read_naturally(seconds, written):
    assert html.duration(seconds) == written
