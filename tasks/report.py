"""Turns the records and pictures of a run into one self-contained page."""

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from tasks.soundness import soundness

Record = Mapping[str, Any]
Pictures = Mapping[str, bytes]

UNKNOWN = "\N{EN DASH}"
ROWS_SHOWN = 50
JPEG = b"\xff\xd8"


def retrain_report(summary: Record, audit: Record, metrics: Mapping[str, Record], pictures: Pictures) -> str:
    """Tell one training run on one page: verdict, models, mistakes, data, and how it was made."""
    page = {"summary": summary, "audit": audit, "metrics": metrics, "pictures": pictures}
    return _environment().get_template("retrain.html.j2").render(page, verdict=verdict_of(summary))


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
    environment.globals |= {"ROWS_SHOWN": ROWS_SHOWN, "soundness": soundness}
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
    kind = "jpeg" if picture.startswith(JPEG) else "png"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
