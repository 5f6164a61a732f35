"""What the Prefect UI shows: the short of a run, safe to render."""

import re

import pytest

from tasks.pages import markdown
from tasks.pages.words import data_uri
from tasks.storage import web

EVIL = "<img src=x onerror=alert(1)>.jpg"
PICTURES = {name: name.encode() for name in ("comparison.png", "cnn/confusion.png", "classes.png")}


def test_a_training_is_told_with_its_verdict_table_plots_and_the_way_to_the_report():
    test = {"accuracy": 0.845, "low": 0.826, "high": 0.862, "ece": 0.05}
    summary = {
        "models": {"cnn": {"parameters": 10637126, "seconds": 500.1, "test": test}},
        "champion": {"model": "cnn", "promoted": True, "reason": f"Better on {EVIL}.", "previous": None},
    }
    way = markdown.way_to("/store/report.html", "http://there/report.html")
    text = markdown.retrain_markdown(summary, {"cnn": {"test": {"macro_f1": 0.841}}}, PICTURES, way)
    assert text.startswith("## cnn is the new champion\n")
    assert "| cnn | 84.5 % | 82.6 % to 86.2 % | 0.841 | 5.0 % | 10,637,126 | 8 min 20 s |" in text
    assert "[Open the report](http://there/report.html)" in text
    assert all(f"]({data_uri(picture)})" in text for picture in PICTURES.values())
    assert EVIL not in text
    assert "No model was judged" in markdown.retrain_markdown({}, {}, {})


def test_an_exploration_is_told_with_its_verdict_and_the_likeliest_wrong_labels():
    suspect = {"path": EVIL, "given": "sea", "suggested": "forest", "suggested_probability": 0.97}
    audit = {
        "counts": {"files": 12, "ok": 12, "bad": 0, "leaked": 2},
        "splits": {"train": {"sea": 8, EVIL: 2}, "test": {"sea": 1, EVIL: 1}},
        "labels": {"checked": 12, "suspected": 0, "suspects": [suspect]},
    }
    text = markdown.explore_markdown(audit, PICTURES)
    assert text.startswith("## Sound, but see to this\n")
    assert "- 2 training or validation images are copies of images that judge them" in text
    assert "| sea | 8 | 1 |" in text
    assert "| sea | forest | 97.0 % |" in text
    assert EVIL not in text


def test_a_classification_is_told_with_its_labels_most_first_and_its_drift():
    summary = {
        "images": 1200,
        "bad": 2,
        "unsure": 3,
        "classified": 200,
        "images_per_second": 611.2,
        "model": "v1",
        "labels": {"sea": 100, EVIL: 1098},
        "drift": [{"feature": "brightness", "drifted": True}, {"feature": "labels", "drifted": False}],
    }
    text = markdown.classify_markdown(summary, {}, markdown.way_to("/out/report.html", None))
    assert "## 1,200 files classified, 2 of them bad" in text
    assert "200 in this run, 611 a second, by v1. Unsure: 3." in text
    assert "**Drift since the model was trained:** brightness." in text
    assert "Report: `/out/report.html`" in text
    assert text.index("1,098") < text.index("| sea | 100 |")
    assert EVIL not in text


@pytest.mark.parametrize("name", ["a|b", "<b>", "`x`", "*x*", "__x__", "[x](y)", "# x", "a\nb", "http://x"])
def test_names_mean_themselves_in_markdown(name):
    escaped = markdown.plain(name)
    assert not re.search(r"(?<!\\)[|<>`*\[\]#]|\n|://|^_|(?<!\\)_$", escaped)
    assert escaped.replace("\\", "") == " ".join(name.split())
    assert markdown.plain("mobilenet_v2, p = 0.5 \N{EN DASH}") == "mobilenet_v2, p = 0.5 \N{EN DASH}"


def test_a_report_has_an_address_where_something_serves_it(monkeypatch, bucket):
    monkeypatch.setenv("DARKROOM_STORE", "/data/store")
    assert web.address_of("/data/store/runs/x/report.html") is None
    monkeypatch.setenv("DARKROOM_FILES_URL", "http://127.0.0.1:4201")
    address = web.address_of("/data/store/runs/a b/report.html")
    assert address == "http://127.0.0.1:4201/store/runs/a%20b/report.html"
    assert web.address_of("/data/elsewhere/report.html") is None
    assert "Signature=" in web.address_of(f"{bucket}/store/report.html")
