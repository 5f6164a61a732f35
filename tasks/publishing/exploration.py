"""Tells what lies in a dataset: its figures, photographs of what was found, the report of an exploration."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.audit.findings import read_audit
from tasks.dataset.index import Shards, Split, index_url
from tasks.pages import data_figures, style
from tasks.pages.html import explore_report
from tasks.pages.markdown import explore_markdown, way_from_here
from tasks.pages.photos import photo
from tasks.publishing.figures import Figures, small, write_pictures
from tasks.training.run import Run

SAMPLES = 25
EVERY = ("train", "val", "test", "leaked")
AVERAGED, AT_ONCE = 1_000, 250  # images of a class for its mean, and how many are held at a time
SUSPECTS, SETS, COPIES = 20, 12, 4  # that are shown: likely wrong labels, sets of copies, files of a set


@task(cache_policy=NO_CACHE, task_run_name="publish report")
def publish_exploration(shards: Shards, audit_url: str, run: Run) -> str:
    """Write the report of a dataset and its plots. Returns the report's URL."""
    audit = read_audit(audit_url, run)
    figures = dataset_figures(shards, audit)
    pictures = write_pictures(run, figures) | dataset_photos(shards, audit)
    storage.write_bytes(run.url("report.html"), explore_report(audit, pictures, shards.root).encode())
    page = explore_markdown(audit, small(figures), way_from_here(run.url("report.html")))
    create_markdown_artifact(page, key="explore-summary", description=f"What lies in {shards.root}")
    return run.url("report.html")


def dataset_figures(shards: Shards, audit: Mapping[str, Any]) -> Figures:
    """Pie of classes, bars of splits, sizes; samples and mean images of what may be trained on."""
    totals: Counter[str] = Counter()
    for counts in audit["splits"].values():
        totals.update(counts)
    figures = {
        "classes.png": data_figures.class_pie({name: totals[name] for name in shards.classes}),
        "splits.png": data_figures.split_bars(audit["splits"]),
    }
    train = Split(shards, "train")
    if len(train):
        chosen = sample_rows(train.labels, len(shards.classes))
        names = [shards.classes[label] for label in train.labels[chosen]]
        figures["samples.png"] = style.sample_grid(train.take(chosen), names)
        figures["means.png"] = data_figures.mean_grid(mean_images(train, shards.classes))
    index = storage.read_table(index_url(shards.dataset), ["width", "height"]).drop_null()
    if len(index):
        sizes = (column.to_numpy() for column in index.columns)
        figures["sizes.png"] = data_figures.size_histogram(*sizes)
    return figures


def mean_images(split: Split, classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The mean of at most AVERAGED images of each class, uint8 [size, size, 3]; few are held at a time."""
    means = {}
    for label, name in enumerate(classes):
        images = np.flatnonzero(split.labels == label)
        if not len(images):
            continue
        images = images[np.linspace(0, len(images) - 1, min(len(images), AVERAGED)).astype(int)]
        chunks = np.array_split(images, -(-len(images) // AT_ONCE))
        total = sum(split.take(chunk).sum(axis=0, dtype=np.uint32) for chunk in chunks)
        means[name] = np.rint(total / len(images)).astype(np.uint8)
    return means


def dataset_photos(shards: Shards, audit: Mapping[str, Any]) -> dict[str, bytes]:
    """Small JPEGs of what the audit found, named `photo:` and their path."""
    split = Split(shards, *EVERY)
    place = {path: image for image, path in enumerate(split.paths)}
    paths = [path for path in dict.fromkeys(_shown(audit)) if path in place]
    return {f"photo:{path}": photo(split.take(np.array([place[path]]))[0]) for path in paths}


def _shown(audit: Mapping[str, Any]) -> Iterator[str]:
    for suspect in audit["labels"]["suspects"][:SUSPECTS]:
        yield suspect["path"]
    for group in islice((one for one in audit["duplicates"] if not one["in_near_set"]), SETS):
        yield from islice(group["paths"], COPIES)
    for outlier in audit["outliers"]:
        for example in outlier["examples"]:
            yield example["path"]


def sample_rows(labels: np.ndarray, classes: int, most: int = SAMPLES) -> np.ndarray:
    """Rows to show, every class in turn, the same ones for the same data."""
    random = np.random.default_rng(0)
    queues = [random.permutation(np.flatnonzero(labels == label)) for label in range(classes)]
    longest = max(map(len, queues))
    turns = [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]
    return np.sort(np.array(turns[:most], np.int64))
