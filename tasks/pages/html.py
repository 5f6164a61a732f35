"""Turns the records and pictures of a run into one self-contained page."""

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from tasks.audit.verdict import soundness

Record = Mapping[str, Any]
Pictures = Mapping[str, bytes]

UNKNOWN = "\N{EN DASH}"
ROWS_SHOWN = 50
JPEG = b"\xff\xd8"
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


def verdict_of(summary: Record) -> dict[str, Any]:
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


def number(value: object, digits: int = 0) -> str:
    """Write a number with its thousands marked; what is no finite number becomes a dash."""
    return f"{value:,.{digits}f}" if _is_number(value) else UNKNOWN


def percent(share: object, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %" if _is_number(share) else UNKNOWN


def sentence(text: object) -> str:
    """Write what may be half a sentence as a whole one."""
    words = str(text)
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


def points(share: object) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    if not _is_number(share):
        return UNKNOWN
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}") if round(100 * share, 1) else "0.0"


def figure(value: object) -> str:
    """Write a count whole, a share or a p-value with the digits that tell it from others."""
    if not _is_number(value):
        return UNKNOWN
    return number(value) if value == int(value) else f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"


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


def day(written: object) -> str:
    """Write the day of an ISO time; what is no time stays as it was."""
    try:
        when = datetime.fromisoformat(str(written))
    except ValueError:
        return str(written or UNKNOWN)
    return f"{when.day} {when:%b %Y}"


def setting(value: object) -> str:
    """Write a parameter as a person would: yes, no, none, a list with commas."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {setting(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(setting, value))
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return str(value)


def data_uri(picture: bytes) -> str:
    kind = "jpeg" if picture.startswith(JPEG) else "png"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
