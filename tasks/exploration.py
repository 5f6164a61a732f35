"""Tells what lies in a dataset: its figures, and the report of an exploration."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from tasks import dataset_plots, drawing, storage
from tasks.dataset import Shards, Split
from tasks.markdown import explore_markdown, way_from_here
from tasks.pictures import Figures, small, write_pictures
from tasks.report import explore_report
from tasks.training import Run

SAMPLES = 25


@task(cache_policy=NO_CACHE, task_run_name="publish report")
def publish_exploration(shards: Shards, audit_url: str, run: Run) -> str:
    """Write the report of a dataset and its plots. Returns the report's URL."""
    audit = storage.read_json(audit_url)
    figures = dataset_figures(shards, audit)
    pictures = write_pictures(run, figures)
    storage.write_bytes(run.url("report.html"), explore_report(audit, pictures).encode())
    page = explore_markdown(audit, small(figures), way_from_here(run.url("report.html")))
    create_markdown_artifact(page, key="explore-summary", description=f"What lies in {shards.root}")
    return run.url("report.html")


def dataset_figures(shards: Shards, audit: Mapping[str, Any]) -> Figures:
    """Pie of classes, bars of splits and a grid of samples, drawn from what may be trained on."""
    totals: Counter[str] = Counter()
    for counts in audit["splits"].values():
        totals.update(counts)
    train = Split(shards, "train")
    if not len(train):
        return {}
    chosen = sample_rows(train.labels, len(shards.classes))
    return {
        "classes.png": dataset_plots.class_pie({name: totals[name] for name in shards.classes}),
        "splits.png": dataset_plots.split_bars(audit["splits"]),
        "samples.png": drawing.sample_grid(
            train.take(chosen), [shards.classes[label] for label in train.labels[chosen]]
        ),
    }


def sample_rows(labels: np.ndarray, classes: int, most: int = SAMPLES) -> np.ndarray:
    """Rows to show, every class in turn, the same ones for the same data."""
    random = np.random.default_rng(0)
    queues = [random.permutation(np.flatnonzero(labels == label)) for label in range(classes)]
    longest = max(map(len, queues))
    turns = [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]
    return np.sort(np.array(turns[:most], np.int64))
