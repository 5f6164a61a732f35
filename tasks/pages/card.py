"""A version's model card: what a stranger must know before using the model."""

from collections.abc import Iterator
from functools import cache
from typing import get_args

from jinja2 import Environment

from tasks.audit import correction_words
from tasks.pages.html import templates
from tasks.pages.markdown import plain
from tasks.pages.metrics import metric_texts
from tasks.pages.words import Record, count, int8_words, moment, number, percent, setting
from tasks.parameters import ModelKind

FILTERS = (count, int8_words, moment, number, percent, setting)


def model_card(record: Record, metrics: Record) -> str:
    """Markdown of a version's model.json and its metrics.json.

    Source of the form: Mitchell et al. 2019, "Model Cards for Model Reporting".
    """
    tested_classes = [row for row in record["per_class"] if row["support"]]
    page = {
        "test": record["metrics"],
        "scores": metric_texts(record["metrics"]),
        "weakest": min(tested_classes, key=lambda row: row["recall"]),
        "thresholds": {row["class"]: row for row in metrics.get("thresholds", [])},
        "worse_slices": [row for row in metrics["slices"] if row["worse"]],
        "parameters": list(parameters_of(record)),
        "fit": record.get("fit", "squeeze"),
        "corrections": " ".join(correction_words(record.get("corrections", {}))),
    }
    return _environment().get_template("card.md.j2").render(page, record=record, metrics=metrics)


def parameters_of(record: Record) -> Iterator[tuple[str, object]]:
    """Name and value of the training's parameters that concern this kind of model.

    Nested ones come with both names, such as "augmentation flip".
    """
    training, kind = record["training"], record["kind"]
    of_other_kinds = {"models", *get_args(ModelKind)} | ({"weights"} if kind == "cnn" else set())
    of_this_kind = training.get(kind, {})  # in a run that schema version 0 began all stand side by side
    for name, value in [*training.items(), *of_this_kind.items()]:
        if isinstance(value, dict) and name not in of_other_kinds:
            yield from ((f"{name} {part}", nested_value) for part, nested_value in value.items())
        elif name not in of_other_kinds:
            yield name, value


@cache
def _environment() -> Environment:
    """Jinja2 where every expression is made plain Markdown, as autoescape makes it plain HTML."""
    return templates(FILTERS, finalize=plain, keep_trailing_newline=True)
