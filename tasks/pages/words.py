"""How numbers, times and settings are written for people, the same on every page."""

import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeGuard

Record = Mapping[str, Any]
Pictures = Mapping[str, bytes]


UNKNOWN = "\N{EN DASH}"
JPEG = b"\xff\xd8"


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
