"""The pictures of a run: its figures, beside the report and small for the Prefect UI, and photographs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks import storage
from tasks.dataset import Dataset, Split
from tasks.evaluation import Evaluation
from tasks.pages import data_figures, model_figures, overlay_evidence, photo, style
from tasks.storage import Run
from tasks.training import read_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 25
ALL_SPLITS = ("train", "val", "test", "leaked")
MEAN_IMAGES, IMAGES_AT_ONCE = 1_000, 250  # of a class for its mean, and how many of them are in memory
SUSPECTS, SETS, COPIES = 20, 12, 4  # with photographs: likely wrong labels, sets of copies, files of a set
ARTIFACT_DPI = 80
PHOTO_SHEETS = ("samples.png", "means.png")  # too many bytes for an artifact

Figures = dict[str, "Figure"]
Metrics = Mapping[str, Mapping[str, Any]]  # the metrics.json of each kind of model


def write_pictures(run: Run, figures: Figures) -> dict[str, bytes]:
    """Write the figures as PNG into the folder of the run. Returns them by their file names."""
    pictures = {
        name: style.png(figure, style.PHOTOS_DPI) if name in PHOTO_SHEETS else style.png(figure)
        for name, figure in figures.items()
    }
    for name, data in pictures.items():
        storage.write_bytes(run.picture_url(name), data)
    return pictures


def small_pictures(figures: Figures) -> dict[str, bytes]:
    """The figures as smaller PNGs, for an artifact; without those that are still too large for one."""
    return {
        name: style.png(figure, ARTIFACT_DPI) for name, figure in figures.items() if name not in PHOTO_SHEETS
    }


def dataset_figures(dataset: Dataset, audit: Mapping[str, Any]) -> Figures:
    """Pie of classes, bars of splits, sizes; samples and mean images of the training images."""
    totals: Counter[str] = Counter()
    for counts in audit["splits"].values():
        totals.update(counts)
    figures = {
        "classes.png": data_figures.class_pie({name: totals[name] for name in dataset.classes}),
        "splits.png": data_figures.split_bars(audit["splits"]),
    }
    train = dataset.split("train")
    if len(train):
        rows = sample_rows(train.labels, len(dataset.classes))
        names = [dataset.classes[label] for label in train.labels[rows]]
        figures["samples.png"] = style.sample_grid(train.take(rows), names)
        figures["means.png"] = data_figures.mean_grid(mean_images(train, dataset.classes))
    index = storage.read_table(storage.index_url(dataset.url), ["width", "height"]).drop_null()
    if len(index):
        sizes = (column.to_numpy() for column in index.columns)
        figures["sizes.png"] = data_figures.size_histogram(*sizes)
    return figures


def mean_images(split: Split, classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The mean of at most MEAN_IMAGES images of each class that has any, uint8 [size, size, 3]."""
    means = {}
    for label, name in enumerate(classes):
        images = np.flatnonzero(split.labels == label)
        if not len(images):
            continue
        images = images[np.linspace(0, len(images) - 1, min(len(images), MEAN_IMAGES)).astype(int)]
        chunks = np.array_split(images, -(-len(images) // IMAGES_AT_ONCE))
        total = sum(split.take(chunk).sum(axis=0, dtype=np.uint32) for chunk in chunks)
        means[name] = np.rint(total / len(images)).astype(np.uint8)
    return means


def dataset_photos(dataset: Dataset, audit: Mapping[str, Any]) -> dict[str, bytes]:
    """Small JPEGs of what the audit found, as `photo:<path>`."""
    split = dataset.split(*ALL_SPLITS)
    row_of_path = {path: row for row, path in enumerate(split.paths)}
    paths = [path for path in dict.fromkeys(paths_with_photo(audit)) if path in row_of_path]
    return {f"photo:{path}": photo(split.take(np.array([row_of_path[path]]))[0]) for path in paths}


def question_links(dataset: Dataset, store: str) -> dict[str, str]:
    """Where a person is asked about each image of a dataset, by path; empty where no stack asks about it."""
    if not (address := storage.review_address(store)):
        return {}
    index = storage.read_table(storage.index_url(dataset.url), ["path", "sha256"])
    return {row["path"]: f"{address}#{row['sha256']}" for row in index.to_pylist()}


def wrong_labels(run: Run) -> dict[str, bytes]:
    """The run's list of likely wrong labels, which the report holds to be downloaded; empty without one."""
    url = run.wrong_labels_url
    return {storage.name_of(url): storage.read_bytes(url)} if storage.exists(url) else {}


def paths_with_photo(audit: Mapping[str, Any]) -> Iterator[str]:
    """Likely wrong labels, copies and outliers of an audit, as far as the report has room for them."""
    for suspect in audit["labels"]["suspects"][:SUSPECTS]:
        yield suspect["path"]
    sets = (copies for copies in audit["duplicates"] if not copies["in_near_set"])
    for copies in islice(sets, SETS):
        yield from copies["paths"][:COPIES]
    for outlier in audit["outliers"]:
        for example in outlier["examples"]:
            yield example["path"]


def sample_rows(labels: np.ndarray, classes: int, most: int = SAMPLES) -> np.ndarray:
    """The rows of at most `most` images, from every class in turn; the same ones for the same data."""
    random = np.random.default_rng(0)
    queues = [random.permutation(np.flatnonzero(labels == label)) for label in range(classes)]
    longest = max(map(len, queues))
    turns = [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]
    return np.sort(np.array(turns[:most], np.int64))


def evaluation_figures(run: Run, evaluations: Sequence[Evaluation], metrics: Metrics, chosen: str) -> Figures:
    """The figures of each model as `<kind>/<name>.png`, and one that compares them if they are several.

    chosen: the kind that stood before the gate.
    """
    figures: Figures = {}
    for evaluation in evaluations:
        kind = evaluation.kind
        of_model = model_plots(run, evaluation, metrics[kind])
        figures |= {f"{kind}/{name}.png": figure for name, figure in of_model.items()}
    if len(evaluations) > 1:
        rows = [(model.kind, model.accuracy, model.low, model.high) for model in evaluations]
        figures["comparison.png"] = model_figures.model_comparison(rows, chosen)
    return figures


def model_plots(run: Run, evaluation: Evaluation, metrics: Mapping[str, Any]) -> Figures:
    """The figures of one model by name. metrics: its metrics.json."""
    history = read_history(storage.history_url(run.kind_url(evaluation.kind)))
    learning, calibration = metrics["learning"], metrics["reliability"]
    figures = {
        "learning_curves": model_figures.learning_curves(
            history, learning["best_epoch"], learning["turned_at"]
        ),
        "confusion": model_figures.confusion_matrix(np.array(metrics["confusion"]), metrics["classes"]),
        "reliability": model_figures.reliability_diagram(calibration["before"], calibration["after"]),
    }
    if metrics["curves"]:
        figures["curves"] = model_figures.class_curves(metrics["curves"])
    if metrics["slices"]:
        figures["slices"] = model_figures.slice_dots(metrics["slices"], evaluation.accuracy)
    return figures


def mistake_photos(
    run: Run, dataset: Dataset, evaluations: Sequence[Evaluation], metrics: Metrics, chosen: str
) -> dict[str, bytes]:
    """Small JPEGs of the most confident mistakes, and of the first ones with the evidence over them.

    Of the `chosen` kind also those behind the cells of its confusion matrix.

    They are `photo:<path>`; `predicted:<kind>:<path>` and `true:<kind>:<path>` show what spoke for the class
    that the model predicted and for the true one.
    """
    test = dataset.split("test")
    row_of_path = {path: row for row, path in enumerate(test.paths)}
    photos: dict[str, bytes] = {}
    for kind in (evaluation.kind for evaluation in evaluations):
        mistakes = [row["path"] for row in metrics[kind]["mistakes"]]
        cells = metrics[kind].get("cells", []) if kind == chosen else []  # not in an older run's
        paths = list(dict.fromkeys([*mistakes, *(path for cell in cells for path in cell["paths"])]))
        images = test.take(np.array([row_of_path[path] for path in paths], np.int64))
        photos |= {f"photo:{path}": photo(image) for path, image in zip(paths, images, strict=True)}
        maps = storage.read_arrays(storage.evidence_url(run.kind_url(kind)))["evidence"] if mistakes else ()
        for path, image, (for_predicted, for_true) in zip(mistakes, images, maps, strict=False):
            photos[f"predicted:{kind}:{path}"] = photo(overlay_evidence(image, for_predicted))
            photos[f"true:{kind}:{path}"] = photo(overlay_evidence(image, for_true))
    return photos
