"""Turns the records and pictures of a run into one self-contained page, or into Markdown."""

import math
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

Record = Mapping[str, Any]
Pictures = Mapping[str, bytes]

UNKNOWN = "\N{EN DASH}"
ROWS_SHOWN = 50
SPECIAL = re.compile(r"[^\w\s.,;:%()/+'-]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=/)")
MODEL_PLOTS = {
    "learning_curves": "Learning curves",
    "confusion": "Confusion matrix",
    "reliability": "Reliability diagram",
    "mistakes": "Most confident mistakes",
}


def retrain_report(summary: Record, audit: Record, metrics: Mapping[str, Record], pictures: Pictures) -> str:
    """Tell one training run on one page: verdict, models, mistakes, data, and how it was made."""
    page = {"summary": summary, "audit": audit, "metrics": metrics, "pictures": pictures}
    return _environment().get_template("retrain.html.j2").render(page, verdict=_verdict(summary))


def explore_report(audit: Record, pictures: Pictures) -> str:
    """Tell what lies in an image folder on one page."""
    return _environment().get_template("explore.html.j2").render(audit=audit, pictures=pictures)


def classify_report(
    summary: Record, bad: Sequence[Record], unsure: Sequence[Record], pictures: Pictures
) -> str:
    """Tell one bulk classification on one page: labels, confidence, unreadable and unsure images."""
    page = {"summary": summary, "bad": bad, "unsure": unsure, "pictures": pictures}
    return _environment().get_template("classify.html.j2").render(page)


def summary_markdown(summary: Record, metrics: Mapping[str, Record], pictures: Pictures) -> str:
    """Tell a training run in Markdown: the verdict, a table of the models, the plots."""
    models = summary.get("models") or {}
    parts = [
        *_verdict_markdown(_verdict(summary)),
        _models_markdown(models, metrics),
        *_pictures_markdown(models, pictures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(summary: Record) -> dict[str, Any]:
    champion = summary.get("champion") or {}
    name, promoted = champion.get("model"), champion.get("promoted", False)
    if not name:
        title = "No model was judged"
    elif promoted:
        title = f"{name} is the new champion"
    else:
        title = f"{name} was not promoted"
    test = (summary.get("models") or {}).get(name, {}).get("test") or {}
    return {**champion, "title": title, "promoted": promoted, "test": test}


def _verdict_markdown(verdict: Record) -> Iterator[str]:
    yield f"## {plain(verdict['title'])}"
    if test := verdict["test"]:
        interval = f"{percent(test.get('low'))} to {percent(test.get('high'))}"
        yield f"Right on **{percent(test.get('accuracy'))}** of the test images (95 % interval {interval})."
    yield plain(verdict.get("reason") or "")
    if previous := verdict.get("previous"):
        yield f"{'Before it' if verdict['promoted'] else 'The champion stays'}: {plain(previous)}."


def _models_markdown(models: Mapping[str, Record], metrics: Mapping[str, Record]) -> str:
    if not models:
        return ""
    rows = [
        "| model | test accuracy | 95 % interval | macro F1 | calibration error | parameters | trained in |",
        "|:--|--:|:-:|--:|--:|--:|--:|",
    ]
    for name, model in models.items():
        test = model.get("test") or {}
        judged = metrics.get(name, {}).get("test") or {}
        cells = (
            plain(name),
            percent(test.get("accuracy")),
            f"{percent(test.get('low'))} to {percent(test.get('high'))}",
            number(judged.get("macro_f1"), 3),
            percent(test.get("ece")),
            number(model.get("parameters")),
            duration(model.get("seconds")),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _pictures_markdown(models: Mapping[str, Record], pictures: Pictures) -> Iterator[str]:
    titles = {"comparison.png": "Models compared"}
    for name in models:
        titles |= {f"{name}/{key}.png": f"{title} of {name}" for key, title in MODEL_PLOTS.items()}
    titles |= {
        "classes.png": "Images a class",
        "splits.png": "Images a split",
        "samples.png": "Sample images",
    }
    for key, title in titles.items():
        if key in pictures:
            yield f"### {plain(title)}\n\n![{plain(title)}]({data_uri(pictures[key])})"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (number, percent, duration, moment, count, setting, data_uri)
    environment.filters |= {function.__name__: function for function in filters}
    environment.globals["ROWS_SHOWN"] = ROWS_SHOWN
    return environment


def number(value: object, digits: int = 0) -> str:
    """Write a number with its thousands marked; what is no finite number becomes a dash."""
    return f"{value:,.{digits}f}" if _is_number(value) else UNKNOWN


def percent(share: object, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %" if _is_number(share) else UNKNOWN


def count(value: object, one: str, many: str = "") -> str:
    """Write how many there are: "1 image", "1,623 images"."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def duration(seconds: object) -> str:
    if not _is_number(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def moment(written: object) -> str:
    """Write an ISO time for people; what is no time stays as it was."""
    try:
        when = datetime.fromisoformat(str(written))
    except ValueError:
        return str(written or UNKNOWN)
    return f"{when.day} {when:%B %Y, %H:%M} {when.tzname() or ''}".strip()


def setting(value: object) -> str:
    """Write a parameter as a person would: yes, no, none, a list with commas."""
    if isinstance(value, list | tuple):
        return ", ".join(map(setting, value))
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return str(value)


def data_uri(picture: bytes) -> str:
    return f"data:image/png;base64,{b64encode(picture).decode()}"


def plain(text: object) -> str:
    """Make text mean itself in Markdown and in HTML: no markup, no table bars, no line breaks."""
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", " ".join(str(text).split()))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
