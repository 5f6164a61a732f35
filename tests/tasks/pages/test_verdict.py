"""What a retraining's report says of its verdict, and of the champion."""

import re
from pathlib import Path

import pytest

from tasks.pages import html, markdown
from tests.tasks.pages import records
from tests.tasks.pages.browser import EVIL, Page


def test_the_verdict_comes_first_and_says_why(summary, audit, metrics):
    page = html.retrain_report(summary, audit, metrics, {})
    test = metrics["cnn"]["test"]
    accuracy = html.percent(test["accuracy"])
    for earlier, later in (
        ("cnn is the new champion", accuracy),
        (accuracy, "Better on"),
        ("Better on", "What to do next"),
        ("What to do next", "<nav"),
    ):
        assert page.index(earlier, page.index("<h1>")) < page.index(later, page.index("<h1>"))
    interval = f"{html.percent(test['low'])} to {html.percent(test['high'])}"
    assert f"95 % interval {interval}<br>a little flattered" in page


def test_the_rules_and_what_changed_since_the_champion_are_told(summary, audit, metrics):
    page = Page(html.retrain_report(summary, audit, metrics, {}, "../../index.html"))
    met = page.texts_of("li", "met")
    assert met[0] == f"test accuracy {metrics['cnn']['test']['accuracy']:.3f} at least 0.500"
    assert "classes of the champion the same" in met
    assert page.texts_of("li", "broken") == [f"recall of {EVIL} 0.750 at least 0.800"]
    assert page.texts_of("td", "num change up") == ["+10.3", "+15.5"]
    assert "That is more than chance (exact McNemar test, p < 0.0001)." in page.text
    assert "12 more test images are left out of this: the champion was trained on them" in page.text
    assert "14 images are new and 2 gone; 1 image has another label, 0 another split or are" in page.text
    assert "../../index.html" in page.links
    summary["changes"] = {"dataset": "d8f4", "same": False, "kept": False}
    assert "d8f4, which has been removed" in Page(html.retrain_report(summary, audit, metrics, {})).text


def test_a_class_that_got_worse_is_marked(summary, audit, metrics):
    [worse, _] = summary["champion"]["comparison"]["per_class"]
    worse |= {"champion_recall": 0.8, "challenger_recall": 0.75}
    page = Page(html.retrain_report(summary, audit, metrics, {}))
    assert page.texts_of("td", "num change down") == ["\N{MINUS SIGN}5.0"]


def test_a_refused_model_is_called_refused(summary, audit, metrics):
    summary["champion"] |= {"promoted": False, "previous": "v1-cnn"}
    page = html.retrain_report(summary, audit, metrics, {})
    assert "Refused" in page
    assert "cnn was not promoted" in page
    assert "The champion stays: v1-cnn" in page
    assert "flattered" not in page


def test_a_refused_challenger_shows_the_champions_figure_beside_its_own(summary, audit, metrics):
    verdict = summary["champion"]
    verdict |= {"promoted": False}
    right, images = verdict["comparison"]["both_right"], verdict["comparison"]["images"]
    [own] = Page(html.retrain_report(summary, audit, metrics, {})).texts_of("p", "score")
    [champion] = Page(html.retrain_report(summary, audit, metrics, {})).texts_of("p", "score second")
    assert own.startswith(html.percent((right + verdict["comparison"]["only_second"]) / images))
    assert champion.startswith(html.percent((right + verdict["comparison"]["only_first"]) / images))
    assert champion.endswith("the champion, on the same images")
    recall = verdict["comparison"]["macro_recall"]
    verdict["comparison"]["by"] = "macro_recall"
    page = Page(html.retrain_report(summary, audit, metrics, {}))
    [own], [champion] = page.texts_of("p", "score"), page.texts_of("p", "score second")
    assert own.startswith(f"{html.percent(recall['second'])}macro recall of this model, on ")
    assert champion.startswith(html.percent(recall["first"]))
    told = (
        f"this model finds {html.percent(recall['second'])} and the champion {html.percent(recall['first'])}."
    )
    assert f"{told} That is more than chance (paired permutation test, p < 0.0001)." in page.text


def test_how_the_model_was_chosen_is_told(summary, audit, metrics):
    summary["champion"]["choice"] = "chosen by validation loss, 0.100, mobilenet_v2 0.300"
    page = Page(html.retrain_report(summary, audit, metrics, {}))
    assert "cnn was chosen by validation loss, 0.100, mobilenet_v2 0.300." in page.texts_of("p", "reason")


@pytest.mark.parametrize("way", ["http://127.0.0.1:4201/review/", "darkroom review --store 's3://a store'"])
def test_page_and_markdown_lead_to_the_review_or_say_its_command(
    way: str, summary, audit, metrics, tmp_path: Path
):
    def block(report: str) -> Page:
        return Page(re.findall(r'<aside class="next".*?</aside>', report, re.DOTALL)[0])

    unsure, told = records.classification(
        tmp_path, [records.prediction("1.jpg", "sea", 0.3, status="unsure")]
    )
    retrained = block(html.retrain_report(summary, audit, metrics, {}, review=way))
    classified = block(html.classify_report(unsure, told.bad, told.least_sure, {}, review=way))
    for page in (retrained, classified):
        assert page.links[-1] == way if way.startswith("http") else way in page.texts_of("code", "path")
        assert "asks about the images most worth a look" in page.text
    for text in (
        markdown.retrain_markdown(summary, metrics, {}, "", way),
        markdown.classify_markdown(unsure, {}, "", way),
    ):
        asker = f"[The review page]({way})" if way.startswith("http") else f"**{markdown.plain(way)}**"
        assert f"{asker} asks about the images most worth a look" in text
    for report in (html.explore_report(audit, {}, "/data"), markdown.explore_markdown(audit, {}, "")):
        assert "worth a look" not in report


def test_the_first_champion_of_a_store_is_compared_with_none(summary, audit, metrics):
    summary["champion"] |= {"previous": None, "comparison": None}
    page = html.retrain_report(summary | {"changes": None}, audit, metrics, {})
    assert "Against the champion" not in page
    assert "flattered" not in page
