"""The table of metrics: all that reports, Markdown, model cards, MLflow and `darkroom models show` tell."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tasks.pages.words import Record, decimals, is_number, percent

INTERVAL = "its 95 % interval"


@dataclass(frozen=True)
class Metric:
    """One metric of a model on the test images.

    key: in the `test` part of metrics.json, which is also `metrics` in model.json. words: what people read.
    write: turns its value into text; None, where it is undefined, into a dash. interval: the keys of both
    ends of its 95 % interval, if it has one. brief: whether short summaries, with a column a metric, tell it.
    """

    key: str
    words: str
    write: Callable[[object], str]
    better: Literal["higher", "lower"]
    interval: tuple[str, str] | None = None
    brief: bool = False

    def best(self, values: Sequence[object]) -> float | None:
        """The best of several models' values; None where fewer than two are numbers."""
        numbers = [value for value in values if is_number(value)]
        if len(numbers) < 2:
            return None
        return max(numbers) if self.better == "higher" else min(numbers)


METRICS = (
    Metric("accuracy", "accuracy", percent, better="higher", interval=("low", "high"), brief=True),
    Metric("top2", "right class among the first two", percent, better="higher"),
    Metric("macro_precision", "macro precision", decimals, better="higher"),
    Metric("macro_recall", "macro recall", decimals, better="higher"),
    Metric("macro_f1", "macro F1", decimals, better="higher", brief=True),
    Metric("weighted_f1", "weighted F1", decimals, better="higher"),
    Metric("roc_auc", "area under the ROC curves", decimals, better="higher"),
    Metric("average_precision", "average precision", decimals, better="higher"),
    Metric("log_loss", "log loss", decimals, better="lower"),
    Metric("brier", "Brier score", decimals, better="lower"),
    Metric("ece", "calibration error", percent, better="lower", brief=True),
    Metric("ece_calibrated", "the same after temperature scaling", percent, better="lower"),
)
BRIEF = tuple(metric for metric in METRICS if metric.brief)


class Cell(NamedTuple):
    """One model's value as text, and whether no other model has a better one."""

    text: str
    best: bool


class MetricRow(NamedTuple):
    """A row of a table of metrics, with a cell a model."""

    words: str
    cells: tuple[Cell, ...]


def metric_rows(tests: Sequence[Record], metrics: Sequence[Metric] = METRICS) -> Iterator[MetricRow]:
    """A row a metric, each interval in a row under its metric. Raises KeyError for a key that is not there.

    tests: the `test` part of each model's metrics.json.
    """
    for metric in metrics:
        values = [test[metric.key] for test in tests]
        best = metric.best(values)
        cells = tuple(Cell(metric.write(value), best is not None and value == best) for value in values)
        yield MetricRow(metric.words, cells)
        if metric.interval:
            low, high = metric.interval
            texts = [f"{metric.write(test[low])} to {metric.write(test[high])}" for test in tests]
            yield MetricRow(INTERVAL, tuple(Cell(text, best=False) for text in texts))


def metric_texts(test: Record, metrics: Sequence[Metric] = METRICS) -> dict[str, str]:
    """The metrics of one model as text, by their words."""
    return {row.words: row.cells[0].text for row in metric_rows([test], metrics)}
