"""What the Prefect UI shows: the short of a run, safe to render."""

import re
from pathlib import Path

import pytest

from tasks.pages import markdown
from tasks.pages.words import data_uri, duration, number, percent
from tasks.storage import web
from tests.tasks.pages import records
from tests.tasks.pages.browser import EVIL

PICTURES = {name: name.encode() for name in ("comparison.png", "cnn/confusion.png", "classes.png")}


def test_a_training_is_told_with_its_verdict_table_plots_and_the_way_to_the_report(summary, metrics):
    link = markdown.link_to_report("/store/report.html", "http://there/report.html")
    text = markdown.retrain_markdown(summary, metrics, PICTURES, link)
    test, model = metrics["cnn"]["test"], summary["models"]["cnn"]
    row = (
        "cnn",
        percent(test["accuracy"]),
        f"{percent(test['low'])} to {percent(test['high'])}",
        number(test["macro_f1"], 3),
        percent(test["ece"]),
        number(model["parameters"]),
        duration(model["seconds"]),
    )
    assert text.startswith("## cnn is the new champion\n")
    assert f"| {' | '.join(row)} |" in text
    assert "[Open the report](http://there/report.html)" in text
    assert all(f"]({data_uri(picture)})" in text for picture in PICTURES.values())
    assert EVIL not in text


def test_an_exploration_is_told_with_its_verdict_and_the_likeliest_wrong_labels(audit):
    text = markdown.explore_markdown(audit, PICTURES, "")
    assert text.startswith("## Not sound yet\n")
    assert "- 1 training or validation image is a copy of images that judge them" in text
    assert "| sea | 8 | 2 |" in text
    assert f"| {markdown.plain(EVIL)} | {markdown.plain(EVIL)} | sea | 97.0 % |" in text
    assert EVIL not in text


def test_a_classification_is_told_with_its_labels_most_first_and_its_drift(tmp_path: Path):
    rows = [
        *(records.prediction(f"{number}.jpg", EVIL, 0.9) for number in range(1098)),
        *(records.prediction(f"{number}.jpg", "sea", 0.9) for number in range(97)),
        *(records.prediction(f"{number}.jpg", "sea", 0.1, status="unsure") for number in range(3)),
        *({"path": f"{number}.jpg", "status": "corrupt", "error": EVIL} for number in range(2)),
    ]
    summary, _ = records.classification(tmp_path, rows, test_images=500)
    text = markdown.classify_markdown(summary, {}, markdown.link_to_report("/out/report.html", None))
    verdict = "## Drift of labels, confidence, brightness and sharpness, 3 of 1,200 unsure, 2 bad files."
    assert text.startswith(f"{verdict}\n\n**1,195** of 1,200 images labelled, by ")
    assert (
        f"{markdown.plain(summary['model'])}; 2 bad files; 1,200 in this run, 600 a second. Unsure: 3."
        in text
    )
    kinds = "labels, confidence, brightness, sharpness"
    assert f"**Drift since the model was trained:** {kinds} of 1,200 new files." in text
    assert "Report: /out/report.html" in text
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
    assert web.review_address("/data/store") == "http://127.0.0.1:4201/review/"
    assert web.review_address("/data/elsewhere") is None
    assert web.review_address("/data/store", "/data/predictions") is None
    assert "Signature=" in web.address_of(f"{bucket}/store/report.html")
