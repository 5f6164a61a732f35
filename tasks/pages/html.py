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

from tasks.audit import CHECKS, correction_words, origin_words, soundness
from tasks.pages.chart import CHART, chart
from tasks.pages.metrics import metric_rows
from tasks.pages.model_figures import CELLS_WITH_SHARE
from tasks.pages.next_steps import REVIEW_ASKS, classify_steps, explore_steps, retrain_steps
from tasks.pages.order import cells_with_pictures, most_changed, most_lost, places_of
from tasks.pages.words import (
    Pictures,
    Record,
    against_champion,
    breakable,
    classification_verdict,
    clock,
    count,
    csv_uri,
    data_uri,
    day,
    drifted_features,
    duration,
    finding,
    flat,
    in_words,
    int8_words,
    interval,
    labelled_of,
    moment,
    number,
    percent,
    points,
    quantity,
    rightness,
    sentence,
    setting,
    sureness,
    verdict_of,
)

Questions = Mapping[str, str]

NONE: Questions = MappingProxyType({})
ROWS_SHOWN = 50
SURE_ROWS = 10  # of lowest confidence, where the model was sure of all
CSV_ROWS = 5_000  # of predictions that a report holds to be downloaded
TEMPLATES = Path(__file__).with_name("templates")
SCRIPT = (TEMPLATES / "page.js").read_text()
STYLE = "".join((TEMPLATES / name).read_text() for name in ("style.css", "data.css"))


def source(text: str) -> str:
    """What a Content-Security-Policy calls a script or a style sheet of this text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


# No script and no style sheet but these, no form, nothing from elsewhere: whatever name gets into a page. It
# stands in the page itself, since pages are opened from disks and buckets too.
SCRIPT_SOURCE = source(SCRIPT)
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src-attr 'unsafe-inline'; "
    f"style-src {source(STYLE)}; script-src {SCRIPT_SOURCE}"
)
FILTERS = (
    breakable,
    clock,
    count,
    csv_uri,
    data_uri,
    day,
    duration,
    finding,
    in_words,
    int8_words,
    moment,
    number,
    percent,
    points,
    quantity,
    sentence,
    setting,
)


def retrain_report(
    summary: Record,
    audit: Record,
    metrics: Mapping[str, Record],
    pictures: Pictures,
    overview: str | None = None,
    questions: Questions = NONE,
    review: str = "",
) -> str:
    """One training run on one page: verdict, what to do next, mistakes, data, models, how it was made.

    audit: as `audit.read_audit` gives it. metrics: the metrics.json of each model in the summary. pictures:
    the plots by their file names; photographs as `photo:<path>` and, of a model's mistakes, what spoke for
    the class it predicted and for the true one as `predicted:<kind>:<path>` and `true:<kind>:<path>`; and
    wrong_labels.csv, to be downloaded.
    overview: address of the page over all runs, where a browser can follow it from here. questions: where a
    person is asked about an image, by its path; empty where no stack serves that page. review: as
    `storage.review_way` gives it.
    """
    verdict, models = verdict_of(summary), summary["models"]
    kinds = sorted(models, key=lambda kind: kind != verdict["model"])  # the chosen one is the first column
    page = {
        "summary": summary,
        "audit": audit,
        "metrics": metrics,
        "pictures": pictures,
        "verdict": verdict,
        "models": {kind: models[kind] for kind in kinds},
        "scores": list(metric_rows([metrics[kind]["test"] for kind in kinds])),
        "steps": retrain_steps(summary, audit, metrics[verdict["model"]]),
        "overview": overview,
        "questions": questions,
        "review": review,
    }
    return _environment().get_template("retrain.html.j2").render(page)


def overview_report(
    store: str,
    events: Sequence[Record],
    champion: Record | None,
    line: Sequence[Record],
    accuracies: Sequence[Record] = (),
) -> str:
    """The home page of a store: its champion, how its accuracy went, and all that happened, as listed.

    store: its name. events: see `history.events_of`. champion: the present one's model.json, or of one whose
    record is lost `version` alone. line: see `overview.champion_line`. accuracies: on what models classified,
    see `outputs.accuracies_on_folders`.
    """
    page = {
        "store": store,
        "events": events,
        "champion": champion,
        "chart": chart(line),
        "accuracies": accuracies,
    }
    return _environment().get_template("overview.html.j2").render(page)


def explore_report(audit: Record, pictures: Pictures, root: str) -> str:
    """What lies in the image folder `root`, on one page: whether it is sound, then why not."""
    page = {
        "audit": audit,
        "pictures": pictures,
        "root": root,
        "questions": NONE,
        "steps": explore_steps(audit),
    }
    return _environment().get_template("explore.html.j2").render(page)


def classify_report(
    summary: Record,
    bad: Sequence[Record],
    unsure: Sequence[Record],
    pictures: Pictures,
    questions: Questions = NONE,
    samples: Mapping[str, Sequence[Record]] | None = None,
    review: str = "",
) -> str:
    """One bulk classification on one page: drift, unsure images, labels, bad files, and where it lies.

    bad: the first rows of bad files. unsure: the rows of least confidence, of those the unsure alone where
    there are any. samples: a few rows of each label. pictures: the plots by their file names, photographs of
    the samples as `photo:<path>`, and predictions.csv, to be downloaded. questions, review: as in
    `retrain_report`.
    """
    shown_samples = {
        label: [row for row in rows if f"photo:{row['path']}" in pictures]
        for label, rows in (samples or {}).items()
    }
    page = {
        "summary": summary,
        "verdict": classification_verdict(summary),
        "drifted": drifted_features(summary),
        "steps": classify_steps(summary, bad),
        "bad": bad,
        "unsure": [row for row in unsure if row["status"] == "unsure"] or unsure[:SURE_ROWS],
        "samples": {label: rows for label, rows in shown_samples.items() if rows},
        "pictures": pictures,
        "questions": questions,
        "review": review,
    }
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
        "REVIEW_ASKS": REVIEW_ASKS,
        "ROWS_SHOWN": ROWS_SHOWN,
        "correction_words": correction_words,
        "CSV_ROWS": CSV_ROWS,
        "MATRIX": CELLS_WITH_SHARE,
        "SCRIPT": Markup(SCRIPT),
        "CHART": CHART,
        "against_champion": against_champion,
        "cells_with_pictures": cells_with_pictures,
        "flat": flat,
        "interval": interval,
        "labelled_of": labelled_of,
        "most_changed": most_changed,
        "most_lost": most_lost,
        "places_of": places_of,
        "origin_words": origin_words,
        "rightness": rightness,
        "soundness": soundness,
        "sureness": sureness,
    }
    return environment
