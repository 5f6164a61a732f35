"""Pages of 1,500 classes: drawn soon, no larger than others, and of the small and the bad."""

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tasks.pages import data_figures, model_figures, style
from tests.tasks.pages import records
from tests.tasks.pages.browser import Page
from tests.tasks.pages.whole import whole_pages

CLASSES = 1500
MOST_SECONDS, MOST_BYTES, MOST_ROWS = 60.0, 4e6, 50
TALLEST = 12.0  # inches: a screen and a half
SPLITS = ("train", "train", "train", "test", "val")


@pytest.mark.slow
def test_pages_of_many_classes_are_soon_drawn_and_show_the_small_and_the_bad(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn: dict[str, float] = {}
    seen: dict[str, Any] = {}

    def draw(audit: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, bytes]:
        started = time.process_time()
        figures = plots(audit, metrics["cnn"])
        pictures = {name: style.png(figure) for name, figure in figures.items()}
        drawn.update(seconds=time.process_time() - started, tallest=max(map(height, figures.values())))
        worst = min(metrics["cnn"]["per_class"][3:], key=lambda row: row["f1"])
        seen.update(smallest=smallest(audit), worst=worst["class"])
        return pictures

    monkeypatch.setattr(records, "index_rows", index_rows)
    pages = whole_pages(store, tmp_path, CLASSES, monkeypatch, draw)
    assert drawn["seconds"] < MOST_SECONDS
    assert drawn["tallest"] < TALLEST
    for name, content in pages.items():
        assert len(content) < MOST_BYTES, name
        assert content.count("<tr") < 8 * MOST_ROWS, name
    assert f"of {CLASSES:,} classes" in pages["retrain"]
    assert seen["smallest"] in Page(pages["explore"]).text
    assert f">{seen['worst']}<" in pages["retrain"]


def plots(audit: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Figure]:
    totals: Counter[str] = Counter()
    for counts in audit["splits"].values():
        totals.update(counts)
    calibration = metrics["reliability"]
    return {
        "classes.png": data_figures.class_pie(totals),
        "splits.png": data_figures.split_bars(audit["splits"]),
        "labels.png": model_figures.label_bars(totals),
        "cnn/confusion.png": model_figures.confusion_matrix(
            np.array(metrics["confusion"]), metrics["classes"]
        ),
        "cnn/curves.png": model_figures.class_curves(metrics["curves"]),
        "cnn/reliability.png": model_figures.reliability_diagram(calibration["before"], calibration["after"]),
    }


def index_rows() -> list[dict[str, Any]]:
    """Fewer images of each class than of the one before it, five at least."""
    images = [5 + 40 * CLASSES // (CLASSES + 20 * place) for place in range(CLASSES)]
    labels = [name for name, count in zip(records.CLASSES, images, strict=True) for _ in range(count)]
    return [
        records.index_row(number, label, split=SPLITS[number % len(SPLITS)])
        for number, label in enumerate(labels)
    ]


def smallest(audit: Mapping[str, Any]) -> str:
    totals: Counter[str] = Counter()
    for counts in audit["splits"].values():
        totals.update(counts)
    return min(totals, key=totals.__getitem__)


def height(figure: Figure) -> float:
    return float(figure.get_figheight())
