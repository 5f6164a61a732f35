"""The figures of a run as files beside its report, and small enough for the Prefect UI."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tasks import storage
from tasks.dataset import Dataset, Split
from tasks.evaluation import Evaluation, read_arrays
from tasks.pages import data_figures, model_figures, photo, style, with_evidence
from tasks.storage import Run
from tasks.training import read_history

SAMPLES = 25
EVERY = ("train", "val", "test", "leaked")
AVERAGED, AT_ONCE = 1_000, 250  # images of a class for its mean, and how many are held at a time
SUSPECTS, SETS, COPIES = 20, 12, 4  # that are shown: likely wrong labels, sets of copies, files of a set


ARTIFACT_DPI = 80
PHOTOS = ("samples.png", "means.png")  # too many bytes for an artifact

Figures = dict[str, Figure]


def write_pictures(run: Run, figures: Figures) -> dict[str, bytes]:
    pictures = {
        name: style.png(figure, style.PHOTOS_DPI) if name.endswith(PHOTOS) else style.png(figure)
        for name, figure in figures.items()
    }
    for name, data in pictures.items():
        storage.write_bytes(run.picture_url(name), data)
    return pictures


def small(figures: Figures) -> dict[str, bytes]:
    """Figures as an artifact can hold them."""
    return {
        name: style.png(figure, ARTIFACT_DPI) for name, figure in figures.items() if not name.endswith(PHOTOS)
    }


def dataset_figures(dataset: Dataset, audit: Mapping[str, Any]) -> Figures:
    """Pie of classes, bars of splits, sizes; samples and mean images of what may be trained on."""
    totals: Counter[str] = Counter()
    for counts in audit["splits"].values():
        totals.update(counts)
    figures = {
        "classes.png": data_figures.class_pie({name: totals[name] for name in dataset.classes}),
        "splits.png": data_figures.split_bars(audit["splits"]),
    }
    train = dataset.split("train")
    if len(train):
        chosen = sample_rows(train.labels, len(dataset.classes))
        names = [dataset.classes[label] for label in train.labels[chosen]]
        figures["samples.png"] = style.sample_grid(train.take(chosen), names)
        figures["means.png"] = data_figures.mean_grid(mean_images(train, dataset.classes))
    index = storage.read_table(storage.index_url(dataset.url), ["width", "height"]).drop_null()
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


def dataset_photos(dataset: Dataset, audit: Mapping[str, Any]) -> dict[str, bytes]:
    """Small JPEGs of what the audit found, named `photo:` and their path."""
    split = dataset.split(*EVERY)
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


def judged_figures(
    run: Run, judged: Sequence[Evaluation], metrics: Mapping[str, Mapping[str, Any]]
) -> Figures:
    figures: Figures = {}
    for one in judged:
        drawn = outcome_figures(run, one, metrics[one.kind])
        figures |= {f"{one.kind}/{name}.png": figure for name, figure in drawn.items()}
    if len(judged) > 1:
        rows = [(one.kind, one.accuracy, one.low, one.high) for one in judged]
        figures["comparison.png"] = model_figures.model_comparison(rows)
    return figures


def outcome_figures(run: Run, judged: Evaluation, found: Mapping[str, Any]) -> Figures:
    history = read_history(storage.history_url(run.kind_url(judged.kind)))
    kept, turned_at = found["learning"]["best_epoch"], found["learning"]["turned_at"]
    before, after = found["reliability"]["before"], found["reliability"]["after"]
    figures = {
        "learning_curves": model_figures.learning_curves(history, kept, turned_at),
        "confusion": model_figures.confusion_matrix(np.array(found["confusion"]), found["classes"]),
        "reliability": model_figures.reliability_diagram(before, after),
    }
    if found["curves"]:
        figures["curves"] = model_figures.class_curves(found["curves"])
    if found["slices"]:
        figures["slices"] = model_figures.slice_dots(found["slices"], judged.accuracy)
    return figures


def mistake_photos(
    run: Run, dataset: Dataset, judged: Sequence[Evaluation], metrics: Mapping[str, Mapping[str, Any]]
) -> dict[str, bytes]:
    """Small JPEGs of the most confident mistakes, and of the first ones with the evidence over them."""
    test = dataset.split("test")
    place = {path: row for row, path in enumerate(test.paths)}
    photos: dict[str, bytes] = {}
    for one in judged:
        wrong = metrics[one.kind]["mistakes"]
        images = test.take(np.array([place[row["path"]] for row in wrong], np.int64))
        photos |= {f"photo:{row['path']}": photo(image) for row, image in zip(wrong, images, strict=True)}
        found = read_arrays(storage.evidence_url(run.kind_url(one.kind)))["evidence"] if wrong else ()
        for row, image, (said, true) in zip(wrong, images, found, strict=False):
            photos[f"said:{one.kind}:{row['path']}"] = photo(with_evidence(image, said))
            photos[f"true:{one.kind}:{row['path']}"] = photo(with_evidence(image, true))
    return photos
