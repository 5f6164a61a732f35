"""A version's model card: what a stranger must know before using the model."""

from functools import cache
from typing import get_args

from jinja2 import Environment

from tasks.pages.html import templates
from tasks.pages.markdown import plain
from tasks.pages.words import Record, count, moment, number, percent, setting
from tasks.parameters import ModelKind


def model_card(record: Record, metrics: Record) -> str:
    """Markdown of a version's model.json and its metrics.json.

    Source of the form: Mitchell et al. 2019, "Model Cards for Model Reporting".
    """
    judged = [row for row in record.get("per_class") or [] if row["support"]]
    page = {
        "test": record["metrics"],
        "weakest": min(judged, key=lambda row: row["recall"], default=None),
        "worse": [part for part in metrics.get("slices") or [] if part.get("worse")],
        "parameters": parameters_of(record),
    }
    return _environment().get_template("card.md.j2").render(page, record=record, metrics=metrics)


def parameters_of(record: Record) -> list[tuple[str, object]]:
    """What of the training's parameters concerns this kind of model, nested ones with both names."""
    training = dict(record.get("training") or {})
    own = training.get(record["kind"]) or {}
    pairs: list[tuple[str, object]] = []
    for name, value in [*training.items(), *own.items()]:
        if name in (*get_args(ModelKind), "models") or (name == "weights" and record["kind"] == "cnn"):
            continue
        nested = value.items() if isinstance(value, dict) else [("", value)]
        pairs += [(f"{name} {part}".strip(), setting) for part, setting in nested]
    return pairs


@cache
def _environment() -> Environment:
    """Jinja2 where every expression is made plain Markdown, as autoescape makes it plain HTML."""
    environment = templates(finalize=plain, keep_trailing_newline=True)
    environment.filters |= {one.__name__: one for one in (count, moment, number, percent, setting)}
    return environment
