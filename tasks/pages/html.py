"""Turns the records and pictures of a run into one self-contained page."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from tasks.audit import soundness
from tasks.pages.words import (
    Pictures,
    Record,
    count,
    data_uri,
    day,
    duration,
    figure,
    moment,
    number,
    percent,
    points,
    sentence,
    setting,
    verdict_of,
)

ROWS_SHOWN = 50
SPARK = (640, 72)  # width and height of a sparkline, in pixels
LEAST_SPAN = 0.02  # of accuracy; a smaller one does not fill the height


def retrain_report(
    summary: Record,
    audit: Record,
    metrics: Mapping[str, Record],
    pictures: Pictures,
    overview: str | None = None,
) -> str:
    """Tell one training run on one page: verdict, data, models, mistakes, and how it was made.

    overview: address of the page over all runs, where a browser can follow it from here.
    """
    page = {"summary": summary, "audit": audit, "metrics": metrics, "pictures": pictures}
    template = _environment().get_template("retrain.html.j2")
    return template.render(page, verdict=verdict_of(summary), overview=overview)


def overview_report(
    store: str, runs: Sequence[Record], champion: Record | None, line: Sequence[Record]
) -> str:
    """Tell all runs of a store on one page, newest first, and how the champion's accuracy went.

    champion: the present one's model.json. line: see overview.champion_line.
    """
    page = {"store": store, "runs": runs, "champion": champion, "line": sparkline(line)}
    return _environment().get_template("overview.html.j2").render(page)


def sparkline(line: Sequence[Record]) -> list[dict[str, Any]]:
    """The points with their `x` and `y` in a frame of SPARK, oldest on the left, better higher."""
    width, height = SPARK
    accuracies = [point["accuracy"] for point in line] or [0.0]
    middle, span = (max(accuracies) + min(accuracies)) / 2, max(max(accuracies) - min(accuracies), LEAST_SPAN)
    step = width / max(len(line) - 1, 1)
    heights = [height * (0.5 - (accuracy - middle) / span) for accuracy in accuracies]
    return [
        {**point, "x": f"{place * step:.1f}", "y": f"{y:.1f}"}
        for place, (point, y) in enumerate(zip(line, heights, strict=False))
    ]


def explore_report(audit: Record, pictures: Pictures, root: str = "") -> str:
    """Tell what lies in an image folder on one page: whether it is sound, then why not."""
    page = {"audit": audit, "pictures": pictures, "root": root}
    return _environment().get_template("explore.html.j2").render(page)


def classify_report(
    summary: Record, bad: Sequence[Record], unsure: Sequence[Record], pictures: Pictures
) -> str:
    """Tell one bulk classification on one page: labels, confidence, unreadable and unsure images."""
    page = {"summary": summary, "bad": bad, "unsure": unsure, "pictures": pictures}
    return _environment().get_template("classify.html.j2").render(page)


def templates(**escaping: Any) -> Environment:
    """The templates of this package, what they are told escaped as asked."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **escaping,
    )


@cache
def _environment() -> Environment:
    environment = templates(autoescape=True)
    filters = (number, percent, points, figure, sentence, duration, moment, day, count, setting, data_uri)
    environment.filters |= {function.__name__: function for function in filters}
    environment.globals |= {"ROWS_SHOWN": ROWS_SHOWN, "SPARK": SPARK, "soundness": soundness}
    return environment
