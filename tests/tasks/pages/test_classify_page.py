"""The page of a classification: what matters first, how right it is, and what to look at."""

import json
import re
from pathlib import Path
from typing import Any

from tasks.pages import html, labelled_of, markdown, rightness
from tasks.parameters import Classification
from tests.tasks.pages import records
from tests.tasks.pages.browser import EVIL, Page

JPEG = b"\xff\xd8 photograph of "


def test_the_least_sure_lead_to_their_questions(tmp_path: Path):
    classified, tally = records.classification(
        tmp_path, [records.prediction(EVIL, "sea", 0.3)], test_images=500
    )
    asked = {EVIL: "http://127.0.0.1:4201/review/#1"}
    page = html.classify_report(classified, tally.bad, tally.least_sure, {}, asked)
    assert asked[EVIL] in Page(page).links


def test_a_classification_without_a_bad_file_is_complete(tmp_path: Path):
    classified, tally = records.classification(tmp_path, [records.prediction("sea.jpg", "sea", 0.9)])
    page = html.classify_report(classified, tally.bad, tally.least_sure, {})
    assert "Every file could be classified." in page
    assert "Drift" not in page
    assert "1 image labelled in 2.0 s" in page
    assert "<h1>1 image labelled, all sure, no drift</h1>" in page
    assert "Nothing stands out." in page


def test_a_classification_leads_with_drift_and_what_is_unsure_not_with_its_speed(tmp_path: Path):
    rows = [records.prediction(f"{number}.jpg", "sea", 0.9) for number in range(8)]
    rows += [records.prediction(f"unsure {number}.jpg", "sea", 0.3, status="unsure") for number in range(52)]
    summary, tally = records.classification(tmp_path, rows, test_images=500)
    page = html.classify_report(summary, tally.bad, tally.least_sure, {})
    assert summary["verdict"] == "drift of confidence, brightness and sharpness, 52 of 60 unsure"
    assert "<h1>Drift of confidence, brightness and sharpness, 52 of 60 unsure</h1>" in page
    assert "<title>drift of confidence" in page
    assert '<p class="pill">Drift</p>' in page
    assert page.index("a second") > page.index('id="where"')
    assert "index is above 0.25 or its Kolmogorov-Smirnov distance above 0.20" in Page(page).text


def test_only_unsure_images_are_listed_as_unsure(tmp_path: Path):
    rows = [records.prediction(f"{number}.jpg", "sea", 0.999) for number in range(8)]
    unsure = [records.prediction("doubtful.jpg", "sea", 0.3, status="unsure")]
    summary, tally = records.classification(tmp_path / "some", rows + unsure)
    page = Page(html.classify_report(summary, tally.bad, tally.least_sure, {}))
    assert "doubtful.jpg" in page.text and "99.9 %" not in page.text
    summary, tally = records.classification(tmp_path / "none", rows)
    page = Page(html.classify_report(summary, tally.bad, tally.least_sure, {}))
    assert "Lowest confidence" in page.text and "No image is unsure" in page.text
    assert "Unsure" not in page.text


def test_what_was_asked_of_a_sure_label_is_told_class_by_class(tmp_path: Path):
    rows = [records.prediction("sure.jpg", "sea", 0.9), records.prediction("f", EVIL, 0.7, status="unsure")]
    asked = Classification(min_confidence=0.5, min_precision=0.995)
    sure_from = (0.5, float("inf"), 0.812)
    summary, tally = records.classification(tmp_path, rows, options=asked, sure_from=sure_from)
    assert list(json.loads(json.dumps(summary))["sure_from"].values()) == [0.5, None, 0.812]
    page = html.classify_report(summary, tally.bad, tally.least_sure, {})
    wanted = "a confidence of 50 % and the one from which its class is 99.5 % precise"
    assert f"1 image is below what was asked, {wanted}; the least sure first." in page
    assert f"of 2 images labelled with {wanted}, or more" in page
    cells = re.sub(r"<[^>]+>|\s+", " ", page)
    assert re.search(r"sea +1 +50.0 % +81.2 % ", cells)
    assert re.search(r" 1 +50.0 % +never ", cells)


def test_images_of_no_class_are_told_shown_and_not_counted(tmp_path: Path):
    rows = [records.prediction(f"{number}.jpg", "sea", 0.9, likeness=0.5) for number in range(8)]
    unlike = {"status": "unlike", "confidence": None, "likeness": -4.0}
    rows += [records.prediction(f"plot {number}.jpg", None, **unlike) for number in range(3)]
    summary, tally = records.classification(tmp_path, rows)
    summary["unlike_below"] = -3.0
    assert (summary["unlike"], summary["bad"], summary["labels"]["sea"]) == (3, 0, 8)
    assert "3 unlike all it knows" in summary["verdict"]
    page = Page(html.classify_report(summary, tally.bad, tally.least_sure, {"unlike.png": JPEG}))
    assert "3 images are unlike the images that the model was trained on" in page.text
    assert "Images unlike what the model was trained on" in html.classify_report(
        summary, tally.bad, tally.least_sure, {"unlike.png": JPEG}
    )
    assert "Every file could be classified" in page.text
    summary["unlike_below"] = None
    older = Page(html.classify_report(summary, tally.bad, tally.least_sure, {}))
    assert "This version cannot tell images of no class" in older.text


def test_a_sample_of_the_pictures_of_each_label_is_shown(tmp_path: Path):
    rows = [records.prediction(f"{number}.jpg", ("sea", EVIL)[number % 2], 0.9) for number in range(40)]
    summary, tally = records.classification(tmp_path, rows)
    samples = tally.samples.rows()
    photos = {f"photo:{row['path']}": JPEG for of_label in samples.values() for row in of_label}
    page = Page(html.classify_report(summary, tally.bad, tally.least_sure, photos, samples=samples))
    assert len(page.sources) == 12
    assert "A sample of each label" in page.text


def test_least_sure_lists_the_unsure_alone_and_few_where_the_model_was_sure_of_all(tmp_path: Path):
    def listed(*statuses: str) -> int:
        rows = [
            records.prediction(f"{number}.jpg", "sea", 0.9, status=status)
            for number, status in enumerate(statuses)
        ]
        page = html.classify_report(*classified(tmp_path / str(len(set(statuses))), rows))
        return (
            page.partition('aria-label="Images of lowest confidence"')[2]
            .partition("</table>")[0]
            .count("<tr>")
        )

    assert listed(*["ok"] * 40) == 1 + 10
    assert listed(*["ok"] * 20, *["unsure"] * 15) == 1 + 15


def test_an_output_that_was_gone_on_with_says_what_the_time_was_for(tmp_path):
    rows = [records.prediction(f"{number}.jpg", "sea", 0.9) for number in range(3)]
    summary, tally = records.classification(tmp_path, rows)
    page = html.classify_report(summary | {"classified": 1}, tally.bad, tally.least_sure, {})
    assert "3 images labelled, 1 of the files by this run, in 2.0 s" in page


def test_a_classification_tells_how_right_it_probably_is_or_that_its_version_is_too_old(tmp_path: Path):
    rows = [records.prediction(f"{number}.jpg", "sea", 0.9) for number in range(100)]
    told = Page(html.classify_report(*classified(tmp_path / "new", rows)))
    assert "Expected to be right on 89.0 % of 100 labels (95 % interval" in told.text
    assert "which is doubtful" not in told.text
    doubtful = Page(html.classify_report(*classified(tmp_path / "dark", rows, test_images=500)))
    assert "which is doubtful" in doubtful.text
    older = Page(html.classify_report(*classified(tmp_path / "old", rows, yardstick=False)))
    assert "made before Darkroom kept what it needs" in older.text


def test_a_count_of_labels_cannot_be_read_as_how_right_they_are(tmp_path: Path):
    rows = [records.prediction(f"{number}.jpg", "sea", 0.9) for number in range(91)]
    rows += [records.prediction(f"unsure {number}.jpg", "sea", 0.3, status="unsure") for number in range(9)]
    summary, *rest = classified(tmp_path, rows, test_images=500, options=Classification(min_confidence=0.7))
    page = Page(html.classify_report(summary, *rest)).text
    count = "91 of 100 images labelled with a confidence of 70 %, or more"
    assert count.replace("91 ", "91") in page  # the figure, and the words beside it
    assert "of the labels are expected to be right" in page and "91 %" not in page
    [words] = rightness(summary)
    assert re.match(r"Expected to be right on \d\d.\d % of 100 labels, unsure ones among them \(95 %", words)
    text = markdown.classify_markdown(summary, {}, "")
    assert f"**91** {count.removeprefix('91 ')}" in text and markdown.plain(words) in text
    assert words in page


def test_what_people_measured_comes_before_what_is_expected(tmp_path: Path):
    rows = [records.prediction(f"{number}.jpg", "sea", 0.9) for number in range(100)]
    summary, *rest = classified(tmp_path, rows)
    measured = {
        "accuracy": 0.75,
        "low": 0.6,
        "high": 0.86,
        "images": 40,
        "until": "2026-11-26T10:00:00+00:00",
    }
    page = Page(html.classify_report(summary | {"measured": measured}, *rest)).text
    assert "75.0 %of the labels were right where people looked" in page
    assert rightness(summary | {"measured": measured})[0].startswith("Measured: right on 75.0 % of 40 images")


def test_a_summary_of_an_older_darkroom_says_what_it_knows():
    assert rightness({}) == []
    assert labelled_of({"images": 3}) == "of 3 images labelled"


def classified(folder: Path, rows: list[dict[str, Any]], **other: Any) -> tuple[Any, ...]:
    summary, tally = records.classification(folder, rows, **other)
    return summary, tally.bad, tally.least_sure, {}
