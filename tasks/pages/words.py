"""How numbers, times and settings are written for people, the same on every page."""

import math
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, TypeGuard

from markupsafe import Markup
from PIL import Image

Record = Mapping[str, Any]
Pictures = Mapping[str, bytes]

UNKNOWN = "\N{EN DASH}"
FINDING = "Description"  # the key of the PNG text that holds it
JPEG = b"\xff\xd8"
SLASH = re.compile(r"(?<=[^\s/:]/)(?=[^\s/])")  # just after one between two names


def verdict_of(summary: Record) -> dict[str, Any]:
    """`champion` of a summary.json, with a `title` for it and the `test` part of the model it is about."""
    verdict = summary["champion"]
    title = "is the new champion" if verdict["promoted"] else "was not promoted"
    test = summary["models"][verdict["model"]]["test"]
    return {**verdict, "title": f"{verdict['model']} {title}", "test": test}


def retraining_verdict(summary: Record) -> str:
    """A summary.json of a retraining in one line: "mobilenet_v2 promoted, 93.4 %"."""
    verdict = verdict_of(summary)
    figures = against_champion(verdict)
    accuracy = figures["challenger"] if figures else verdict["test"]["accuracy"]
    champion = f", the champion {percent(figures['champion'])}" if figures else ""
    decision = "promoted" if verdict["promoted"] else "refused"
    measure = "macro recall " if figures and figures["by"] == "macro_recall" else ""
    return f"{verdict['model']} {decision}, {measure}{percent(accuracy)}{champion}"


def against_champion(verdict: Record) -> dict[str, Any]:
    """Of a challenger that was refused, the accuracies of both on the images where they were compared.

    `challenger`, `champion`, `images` and `by`, which is `macro_recall` where they are macro recalls; empty
    for a promotion, and where nothing was compared.
    """
    comparison = verdict["comparison"]
    if verdict["promoted"] or not comparison:
        return {}
    right, images = comparison["both_right"], comparison["images"]
    figures = (right + comparison["only_first"]) / images, (right + comparison["only_second"]) / images
    by = comparison.get("by", "accuracy")  # an older Darkroom compared by nothing else
    if by == "macro_recall":
        figures = comparison["macro_recall"]["first"], comparison["macro_recall"]["second"]
    return dict(zip(("champion", "challenger"), figures, strict=True)) | {"images": images, "by": by}


def classification_verdict(summary: Record) -> str:
    """A summary.json of a classification in one line, what matters first: "52 of 60 unsure, 3 bad files"."""
    unsure, bad = summary["unsure"], summary["bad"]
    findings = [
        _drift_in_words(summary),
        f"{number(unsure)} of {number(summary['images'])} unsure" if unsure else "",
        f"{number(unlike)} unlike all it knows" if (unlike := summary.get("unlike")) else "",
        count(bad, "bad file") if bad else "",
    ]
    return (
        ", ".join(filter(None, findings))
        or f"{count(summary['images'], 'image')} labelled, all sure, no drift"
    )


def labelled_of(summary: Record) -> str:
    """What the number of labels that are not `unsure` stands before: "of 100 images labelled with ..."."""
    asked = sureness(summary)
    return f"of {count(summary['images'], 'image')} labelled" + (f" with {asked}, or more" if asked else "")


def rightness(summary: Record) -> list[str]:
    """How right the labels of a classification are, in sentences: as measured, if it was, and as expected.

    Of a summary.json of an older Darkroom what it knows, perhaps nothing.
    """
    measured, expected = summary.get("measured"), summary.get("expected")
    return [*([_measured(measured)] if measured else []), *([_expected(summary)] if expected else [])]


def _measured(measured: Record) -> str:
    images = f"{count(measured['images'], 'image')} drawn at random that people looked at"
    until = day(measured["until"])
    return (
        f"Measured: right on {percent(measured['accuracy'])} of {images} by {until} ({interval(measured)})."
    )


def _expected(summary: Record) -> str:
    expected = summary["expected"]
    if not (accuracy := expected["accuracy"]):
        return f"How right they are: {expected['words'][0].lower()}{expected['words'][1:]}"
    labels = count(sum(summary["labels"].values()), "label")
    unsure = ", unsure ones among them" if summary["unsure"] else ""
    doubt = ", which is doubtful: these images are not like the test images" if expected["doubtful"] else ""
    share = percent(accuracy["accuracy"])
    return f"Expected to be right on {share} of {labels}{unsure} ({interval(accuracy)}){doubt}."


def interval(estimate: Record) -> str:
    return f"95 % interval {percent(estimate['low'])} to {percent(estimate['high'])}"


def sureness(summary: Record) -> str:
    """What a classification asked of a label that is not `unsure`; empty where it asked nothing."""
    confidence, precision = (summary.get(name) for name in ("min_confidence", "min_precision"))
    asked = [
        f"a confidence of {100 * confidence:g} %" if confidence else "",
        f"the one from which its class is {100 * precision:g} % precise" if precision else "",
    ]
    return in_words(list(filter(None, asked)))


def drifted_features(record: Record) -> list[str]:
    """Of a summary.json, or of its `new_files`."""
    return [feature["feature"] for feature in record["drift"] if feature["drifted"]]


def in_words(names: Sequence[str]) -> str:
    """Write names as a person lists them: "labels, brightness and sharpness"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def number(value: object, digits: int = 0) -> str:
    """Write a number with its thousands marked; what is no finite number becomes a dash."""
    return f"{value:,.{digits}f}" if is_number(value) else UNKNOWN


def decimals(value: object) -> str:
    """Write a score or a loss with three decimals."""
    return number(value, 3)


def percent(share: object, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %" if is_number(share) else UNKNOWN


def sentence(words: str) -> str:
    """Write words as a sentence: with a capital letter and a full stop."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


def points(share: object) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    if not is_number(share):
        return UNKNOWN
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}") if round(100 * share, 1) else "0.0"


def quantity(value: object) -> str:
    """Write a count whole, a share or a p-value with three decimals, or with one digit where it is tiny."""
    if not is_number(value):
        return UNKNOWN
    return number(value) if value == int(value) else decimals(value) if value >= 0.001 else f"{value:.1g}"


def int8_words(int8: Record) -> str:
    """What a version's model of integers costs, or why there is none; from the key `int8` of its records."""
    if not int8["kept"]:
        return f"Not offered in integers of eight bits: {int8['reason']}."
    images, cost, most = number(int8["images"]), percent(int8["cost"], 2), percent(int8["cost_high"], 2)
    accuracy, exact, alike = (percent(int8[name]) for name in ("accuracy", "exact_accuracy", "alike"))
    return (
        f"In integers of eight bits (engine int8) {accuracy} of {images} validation images are right, "
        f"against {exact}; {alike} of the labels are the same. The probability of the true class falls by "
        f"{cost} in the mean, 19 times in 20 by less than {most}."
    )


def count(value: object, singular: str, plural: str = "") -> str:
    """Write how many there are: "1 image", "1,623 images"."""
    return f"{number(value)} {singular if value == 1 else plural or singular + 's'}"


def duration(seconds: object) -> str:
    if not is_number(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def moment(iso_time: str) -> str:
    """Write an ISO time for people: "22 November 2026, 22:10 UTC"."""
    time = datetime.fromisoformat(iso_time)
    return f"{time.day} {time:%B %Y, %H:%M} {time.tzname() or ''}".strip()


def day(iso_time: str) -> str:
    """Write the day of an ISO time: "22 Nov 2026"."""
    time = datetime.fromisoformat(iso_time)
    return f"{time.day} {time:%b %Y}"


def clock(iso_time: str) -> str:
    """Write the time of day of an ISO time: "22:10 UTC"."""
    time = datetime.fromisoformat(iso_time)
    return f"{time:%H:%M} {time.tzname() or ''}".strip()


def breakable(path: str) -> Markup:
    """Write a path so that a line may break after a slash between names; copies of it hold nothing more."""
    return Markup("<wbr>").join(SLASH.split(path))


def setting(value: object) -> str:
    """Write a parameter as a person would: yes, no, none, a list with commas."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {setting(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(setting, value))
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return str(value)


def flat(settings: Record, prefix: str = "") -> dict[str, object]:
    """Settings that hold others with those beside them: `cnn dropout`."""
    values: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{name} ")
        else:
            values[f"{prefix}{name}"] = value
    return values


def data_uri(picture: bytes) -> str:
    """A JPEG or PNG as an address that holds the picture itself."""
    kind = "jpeg" if picture.startswith(JPEG) else "png"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"


def csv_uri(table: bytes) -> str:
    """A CSV file as an address that holds the file itself."""
    return f"data:text/csv;charset=utf-8;base64,{b64encode(table).decode()}"


def finding(picture: bytes) -> str:
    """What a figure found, as `style.png` wrote it into the picture; empty for a picture without."""
    try:
        with Image.open(BytesIO(picture)) as image:
            return str(image.info.get(FINDING, ""))
    except OSError:
        return ""


def _drift_in_words(summary: Record) -> str:
    """What drifted of all images; where that is nothing, of the new ones."""
    new_files = summary.get("new_files") or {"drift": (), "images": 0}  # an older Darkroom's summary
    if drifted := drifted_features(summary):
        return f"drift of {in_words(drifted)}"
    if drifted := drifted_features(new_files):
        return f"drift of {in_words(drifted)} in {count(new_files['images'], 'new file')}"
    return ""


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
