"""Turns the records and pictures of a run into one self-contained page."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined
from markupsafe import Markup

from tasks.audit import CHECKS, correction_words, soundness
from tasks.pages.metrics import metric_rows
from tasks.pages.words import (
    Pictures,
    Record,
    count,
    data_uri,
    day,
    duration,
    moment,
    number,
    percent,
    points,
    quantity,
    sentence,
    setting,
    verdict_of,
)

Questions = Mapping[str, str]

NONE: Questions = MappingProxyType({})
ROWS_SHOWN = 50
TEMPLATES = Path(__file__).with_name("templates")
STYLE = "".join((TEMPLATES / name).read_text() for name in ("style.css", "data.css"))
# No script, no form, nothing from elsewhere, no style sheet but this one: whatever name gets into a page. It
# stands in the page itself, since pages are opened from disks and buckets too.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src-attr 'unsafe-inline'; "
    f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)
SPARK = (640, 72)  # width and height of a sparkline, in pixels
LEAST_SPAN = 0.02  # of accuracy; a smaller one does not fill the height
FILTERS = (count, data_uri, day, duration, moment, number, percent, points, quantity, sentence, setting)


def retrain_report(
    summary: Record,
    audit: Record,
    metrics: Mapping[str, Record],
    pictures: Pictures,
    overview: str | None = None,
    questions: Questions = NONE,
) -> str:
    """One training run on one page: verdict, data, models, mistakes, and how it was made.

    audit: as `audit.read_audit` gives it. metrics: the metrics.json of each model in the summary. pictures:
    the plots by their file names; photographs as `photo:<path>` and, of a model's mistakes, what spoke for
    the class it predicted and for the true one as `predicted:<kind>:<path>` and `true:<kind>:<path>`.
    overview: address of the page over all runs, where a browser can follow it from here. questions: where a
    person is asked about an image, by its path; empty where no stack serves that page.
    """
    page = {"summary": summary, "audit": audit, "metrics": metrics, "pictures": pictures}
    page |= {"questions": questions}
    scores = list(metric_rows([metrics[kind]["test"] for kind in summary["models"]]))
    template = _environment().get_template("retrain.html.j2")
    return template.render(page, verdict=verdict_of(summary), scores=scores, overview=overview)


def overview_report(
    store: str,
    runs: Sequence[Record],
    champion: Record | None,
    line: Sequence[Record],
    accuracies: Sequence[Record] = (),
) -> str:
    """All runs of a store on one page, as listed, and how the champion's accuracy went.

    store: its name. runs: their summaries. champion: the present one's model.json, or of one whose record is
    lost `version` alone. line: see `overview.champion_line`. accuracies: on what models classified, see
    `outputs.accuracies_on_folders`.
    """
    page = {
        "store": store,
        "runs": runs,
        "champion": champion,
        "line": sparkline(line),
        "accuracies": accuracies,
    }
    return _environment().get_template("overview.html.j2").render(page)


def sparkline(line: Sequence[Record]) -> list[dict[str, Any]]:
    """The points with their `x` and `y` in a frame of SPARK pixels: oldest on the left, better higher."""
    width, height = SPARK
    accuracies = [point["accuracy"] for point in line] or [0.0]
    middle, span = (max(accuracies) + min(accuracies)) / 2, max(max(accuracies) - min(accuracies), LEAST_SPAN)
    step = width / max(len(line) - 1, 1)
    heights = [height * (0.5 - (accuracy - middle) / span) for accuracy in accuracies]
    return [
        {**point, "x": f"{number * step:.1f}", "y": f"{y:.1f}"}
        for number, (point, y) in enumerate(zip(line, heights, strict=False))
    ]


def explore_report(audit: Record, pictures: Pictures, root: str) -> str:
    """What lies in the image folder `root`, on one page: whether it is sound, then why not."""
    page = {"audit": audit, "pictures": pictures, "root": root, "questions": NONE}
    return _environment().get_template("explore.html.j2").render(page)


def classify_report(
    summary: Record,
    bad: Sequence[Record],
    unsure: Sequence[Record],
    pictures: Pictures,
    questions: Questions = NONE,
) -> str:
    """One bulk classification on one page: labels, confidence, unreadable and unsure images.

    questions: as in `retrain_report`.
    """
    page = {"summary": summary, "bad": bad, "unsure": unsure, "pictures": pictures, "questions": questions}
    return _environment().get_template("classify.html.j2").render(page)


@cache
def review_files() -> dict[str, bytes]:
    """The review page by the names it is loaded by; it is the same for all, and asks for what it shows."""
    style = STYLE + (TEMPLATES / "review.css").read_text()
    page, script = ((TEMPLATES / name).read_bytes() for name in ("review.html", "review.js"))
    return {"": page, "review.js": script, "review.css": style.encode()}


def templates(filters: Sequence[Callable[..., str]], **options: Any) -> Environment:
    """Jinja2 for the templates of this package, in which a name or key that is not there is an error.

    filters: what the templates write values with, by their own names. options: further ones of Jinja2, such
    as how values are escaped.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    environment.filters |= {function.__name__: strict(function) for function in filters}
    return environment


def strict(function: Callable[..., str]) -> Callable[..., str]:
    """A filter that fails on a value that is not there, which `number` and others would write as a dash."""

    @wraps(function)
    def checked(value: object, *arguments: Any) -> str:
        if isinstance(value, Undefined):
            str(value)  # raises UndefinedError with the name that is not there
        return function(value, *arguments)

    return checked


@cache
def _environment() -> Environment:
    environment = templates(FILTERS, autoescape=True)
    environment.globals |= {
        "CHECKS": CHECKS,
        "POLICY": Markup(POLICY),
        "STYLE": Markup(STYLE),
        "ROWS_SHOWN": ROWS_SHOWN,
        "SPARK": SPARK,
        "correction_words": correction_words,
        "soundness": soundness,
    }
    return environment
