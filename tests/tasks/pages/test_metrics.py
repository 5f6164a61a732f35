"""The table of metrics is all that pages, MLflow and the command line tell of a model's test."""

import pytest

from tasks.pages.metrics import METRICS, Cell, Metric, metric_rows, metric_texts
from tasks.pages.words import percent
from tests.tasks.pages import records

DASH = "\N{EN DASH}"


def test_every_metric_of_the_table_is_in_metrics_json():
    test = records.metrics()["test"]
    for metric in METRICS:
        assert {metric.key, *(metric.interval or ())} <= set(test)
    texts = metric_texts(test)
    assert len(texts) == len(METRICS) + 1
    assert DASH not in texts.values()
    assert texts["its 95 % interval"] == f"{percent(test['low'])} to {percent(test['high'])}"


def test_a_mistyped_key_is_an_error_and_no_dash():
    with pytest.raises(KeyError, match="acuracy"):
        list(metric_rows([records.metrics()["test"]], [Metric("acuracy", "accuracy", percent, "higher")]))


@pytest.mark.parametrize(
    ("better", "values", "best"),
    [
        ("higher", [0.8, 0.9], [False, True]),
        ("lower", [0.8, 0.9], [True, False]),
        ("higher", [0.9, 0.9, 0.8], [True, True, False]),
        ("higher", [0.9, None], [False, False]),
        ("lower", [0.9, None, 0.8, float("nan")], [False, False, True, False]),
        ("higher", [0.9], [False]),
    ],
)
def test_the_best_model_is_told_where_there_are_others(better, values, best):
    [row] = metric_rows([{"key": value} for value in values], [Metric("key", "words", percent, better)])
    assert [cell.best for cell in row.cells] == best
    assert row.cells[0] == Cell(percent(values[0]), best[0])
