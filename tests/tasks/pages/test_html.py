"""The pages are whole, safe and self-contained."""

import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from tasks.pages import html, model_figures, style
from tests.tasks.pages import records
from tests.tasks.pages.browser import EVIL, Page
from tests.tasks.pages.records import AWKWARD, DARK

PNG = b"\x89PNG picture of "
JPEG = b"\xff\xd8 photograph of "
DATA_PICTURES = ["classes.png", "splits.png", "samples.png", "means.png", "sizes.png"]
PHOTOS = {f"photo:{path}": JPEG + path.encode() for path in (EVIL, "b.jpg", DARK)}
RETRAIN_PICTURES = [
    *DATA_PICTURES,
    "comparison.png",
    *(f"cnn/{name}.png" for name in ("learning_curves", "confusion", "reliability", "curves", "slices")),
]


def pictures(names: list[str]) -> dict[str, bytes]:
    return {name: PNG + name.encode() for name in names}


def evidence(metrics: dict[str, dict[str, Any]]) -> dict[str, bytes]:
    path = metrics["cnn"]["mistakes"][0]["path"]
    return {f"{name}:cnn:{path}": JPEG + name.encode() for name in ("predicted", "true")}


def uri(picture: bytes) -> str:
    return "data:image/png;base64," + b64encode(picture).decode()


def scores(page: str) -> dict[str, list[str]]:
    """The figures of each metric in a report's table of scores, the best ones between stars."""
    [table] = re.findall(r'<table class="scores">.*?</table>', page, re.DOTALL)
    table = re.sub(r'<td class="num best">(.*?)</td>', r'<td class="num">*\1*</td>', table)
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table)
    return {words: re.findall(r'<td class="num">(.*?)</td>', cells) for words, cells in rows}


@pytest.fixture
def pages(summary, audit, metrics, tmp_path: Path) -> list[str]:
    rows = [
        records.prediction(EVIL, EVIL, 0.3),
        records.prediction("sea.jpg", "sea", 0.9),
        {"path": EVIL, "status": "corrupt", "error": EVIL},
    ]
    classified, tally = records.classification(tmp_path, rows, test_images=500)
    photos = pictures(RETRAIN_PICTURES) | PHOTOS | evidence(metrics)
    return [
        html.retrain_report(summary, audit, metrics, photos),
        html.explore_report(audit, pictures(DATA_PICTURES) | PHOTOS, EVIL),
        html.classify_report(
            classified,
            tally.bad,
            tally.least_sure,
            pictures(["labels.png", "confidence.png", "unsure.png"]),
        ),
    ]


def test_pictures_lead_to_their_questions_where_a_stack_asks_them(summary, audit, metrics):
    conflict = next(copies for copies in audit["duplicates"] if copies["labels_conflict"])
    paths = [*(suspect["path"] for suspect in audit["labels"]["suspects"]), *conflict["paths"]]
    paths += [mistake["path"] for mistake in metrics["cnn"]["mistakes"]]
    photos = {f"photo:{path}": JPEG for path in paths}
    asked = {path: f"http://127.0.0.1:4201/review/#{number}" for number, path in enumerate(paths)}
    assert set(asked.values()) <= set(
        Page(html.retrain_report(summary, audit, metrics, photos, None, asked)).links
    )
    assert "/review/" not in html.retrain_report(summary, audit, metrics, photos)


def test_no_name_can_become_markup(pages):
    for page in pages:
        assert EVIL not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert not Page(page).handlers
        assert Page(page).tags["script"] == 1  # ours, which the policy names by its hash


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
    plots = pictures([name for name in RETRAIN_PICTURES if name != "cnn/confusion.png"])  # it is a table
    page = html.retrain_report(summary, audit, metrics, plots)
    assert sorted(Page(page).sources) == sorted(uri(picture) for picture in plots.values())


def test_accuracy_by_group_and_the_origin_of_splits_are_told(summary, audit, metrics):
    origin = {"listing": "9 train", "test_share": 0.2, "group_by": "day", "newest_as_test": True}
    page = Page(html.retrain_report(summary, audit | {"origin": origin}, metrics, {}))
    assert "Group by group" in page.text
    assert "site 1" in page.text
    assert "There was no test split: 20% were drawn for it, the latest judge" in page.text


def test_accuracy_over_time_is_told_where_times_are_known(summary, audit, metrics):
    for of_model in metrics.values():
        of_model["over_time"][0] |= {"first": "2026-01-01", "last": "2026-02-03"}
    page = Page(html.retrain_report(summary, audit, metrics, {}))
    assert "Over time" in page.text
    assert "2026-01-01 to 2026-02-03" in page.text
    older = {kind: {**of_model, "over_time": []} for kind, of_model in metrics.items()}
    assert "Over time" not in Page(html.retrain_report(summary, audit, older, {})).text


def test_from_which_confidence_each_class_is_precise_is_told(summary, audit, metrics):
    of_model = metrics["cnn"]
    for row, least in zip(of_model["thresholds"], (0.876, None, 0.912), strict=True):
        row |= {"confidence": least, "kept": 0.25, "test_kept": 0.375, "test_precision": least and 0.961}
    page = html.retrain_report(summary, audit, metrics, {})
    assert "From which confidence on are 95 % right?" in page
    cells = re.sub(r"<[^>]+>|\s+", " ", page)
    images, tested = (of_model["thresholds"][2][name] for name in ("images", "test_images"))
    assert re.search(rf"sea +91.2 % +25.0 % +{images} +37.5 % +96.1 % +{tested} ", cells)
    assert re.search(r"never +25.0 %", cells)
    for older in metrics.values():
        older.pop("thresholds")
    assert "From which confidence" not in html.retrain_report(summary, audit, metrics, {})


def test_a_temperature_that_made_it_worse_is_not_praised(summary, audit, metrics):
    metrics["cnn"]["test"] |= {"ece": 0.02, "ece_calibrated": 0.03}
    text = Page(html.retrain_report(summary, audit, metrics, {})).text
    assert "fitted on validation, did not help here: it is 3.0 % after it" in text


def test_behind_each_cell_of_the_confusion_matrix_are_its_pictures(summary, audit, metrics):
    [cell, *_] = metrics["cnn"]["cells"]
    paths = {path for cell in metrics["cnn"]["cells"] for path in cell["paths"]}
    photos = {f"photo:{path}": JPEG + path.encode() for path in paths}
    page = Page(html.retrain_report(summary, audit, metrics, photos))
    assert 'id="cell-0"' in page.html and "#cell-0" in page.links
    assert cell["images"] == max(cell["images"] for cell in metrics["cnn"]["cells"])
    shown = {b64encode(photos[f"photo:{path}"]).decode() for path in cell["paths"]}
    assert shown <= {source.partition(",")[2] for source in page.sources}


@pytest.mark.parametrize(("share", "is_told"), [(0.53, False), (0.8, True)])
def test_a_class_is_blamed_for_a_worse_slice_only_where_the_slice_has_far_more_of_it(
    share: float, is_told: bool, summary, audit, metrics
):
    worse = next(row for row in metrics["cnn"]["slices"] if row["worse"])
    worse |= {"class_share": share, "class_overall": 0.5}
    page = html.retrain_report(summary, audit, metrics, {})
    assert ("a hard class may be why" in page) == is_told


def test_the_alternative_text_of_a_plot_says_what_it_found(summary, audit, metrics):
    plot = style.png(model_figures.model_comparison([("cnn", 0.9, 0.8, 1.0), ("b", 0.8, 0.7, 0.9)], "cnn"))
    page = html.retrain_report(summary, audit, metrics, {"comparison.png": plot})
    assert 'interval: cnn, chosen on validation, is right on 90.0 % of the test images">' in page


def test_the_best_model_is_marked_in_each_metric(store: str, audit):
    metrics = {"cnn": records.metrics("cnn"), "mobilenet_v2": records.metrics("mobilenet_v2")}
    for kind, accuracy, log_loss in (("cnn", 0.8, 0.3), ("mobilenet_v2", 0.9, 0.5)):
        metrics[kind]["test"] |= {"accuracy": accuracy, "log_loss": log_loss, "roc_auc": None}
    page = html.retrain_report(records.summary(store, metrics), audit, metrics, {})
    of_metric = scores(page)
    assert of_metric["accuracy"] == ["80.0 %", "*90.0 %*"]
    assert of_metric["log loss"] == ["*0.300*", "0.500"]
    assert of_metric["area under the ROC curves"] == ["\N{EN DASH}"] * 2
    assert "both models are right on" in page


def test_numbers_that_are_missing_are_dashes(store: str, audit):
    metrics = {"cnn": records.metrics("cnn", every_class_tested=False)}
    summary = records.summary(store, metrics)
    assert metrics["cnn"]["test"]["roc_auc"] is None
    metrics["cnn"]["per_class"][0]["recall"] = float("nan")
    page = html.retrain_report(summary, audit, metrics, {})
    assert scores(page)["area under the ROC curves"] == ["\N{EN DASH}"]
    assert "nan" not in page
    assert html.percent(None) == html.percent(float("nan")) == html.number("") == "\N{EN DASH}"


@pytest.mark.parametrize(
    "path",
    [
        ("stages",),
        ("seconds",),
        ("training",),
        ("dataset", "counts", "train"),
        ("models", "cnn", "val", "accuracy"),
        ("champion", "rules", 0, "limit"),
        ("champion", "comparison", "left_out"),
        ("changes", "moved"),
    ],
)
def test_a_key_that_is_not_there_is_an_error(summary, audit, metrics, path: tuple):
    *parents, key = path
    record = summary
    for parent in parents:
        record = record[parent]
    del record[key]
    with pytest.raises(UndefinedError, match=key):
        html.retrain_report(summary, audit, metrics, {})


@pytest.mark.parametrize(
    ("seconds", "written"), [(4.25, "4.2 s"), (812.3, "13 min 32 s"), (7500, "2 h 05 min")]
)
def test_durations_read_naturally(seconds, written):
    assert html.duration(seconds) == written


def test_a_report_is_written_where_a_model_is_missing_and_the_champion_cannot_be_read(
    summary, audit, metrics
):
    unknown = {"dataset": None, "same": False, "kept": False}
    spoilt = summary | {"failures": {"mobilenet_v2": "the loss is nan"}, "changes": unknown}
    text = Page(html.retrain_report(spoilt, audit, metrics, {})).text
    assert "mobilenet_v2 is missing. The loss is nan." in text
    assert "what the champion was trained on cannot be read" in text


def test_what_to_do_next_comes_first_in_at_most_five_lines_that_lead_to_their_reasons(
    summary, audit, metrics, pages
):
    metrics["cnn"]["confused"][0] |= {"images": 9, "share": 0.2, "true": "glacier", "predicted": "mountain"}
    spoilt = summary | {"failures": {"mobilenet_v2": "the loss is nan"}}
    report = html.retrain_report(spoilt, audit, metrics, {})
    for page in (report, *pages):
        [block] = re.findall(r'<aside class="next".*?</aside>', page, re.DOTALL)
        links = re.findall(r'<a href="#([^"]+)">', block)
        assert 1 <= len(links) <= 5
        assert all(f'id="{link}"' in page for link in links)
        assert page.index("<aside") < page.index("<nav")
    text = Page(report).text
    assert "Find out why mobilenet_v2 is missing. The loss is nan." in text
    assert "Review 1 label that looks wrong." in text
    assert "Collect more of glacier against mountain: 20 % of glacier is taken for mountain." in text
