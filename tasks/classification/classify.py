"""Bulk classification of one partition on Ray: read ahead, decoded, predicted, committed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Self

import cv2
import numpy as np
import pyarrow as pa
import ray
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.ahead import ahead, in_order
from tasks.classification.job import Job, Part, Partition, parts_of
from tasks.classification.rows import USABLE, Row, as_stored, counts, standing_rows, write_rows
from tasks.classification.sorting import sort_files
from tasks.dataset import UNREADABLE, ImageError, decode_image, measure_looks, read_images
from tasks.errors import InputError
from tasks.evaluation import scale_temperature
from tasks.networks import BATCH, ModelVersion, load_classifier
from tasks.parameters import Classification
from tasks.storage import AHEAD_BYTES, FileEntry

TOP = 3
DECODED_AHEAD = 4 * BATCH


@dataclass(frozen=True)
class PartDone:
    """What a part's marker says: which files of which series its rows are of.

    unreadable: how many of the bad ones could not be read; another run tries those again.
    """

    series: str
    key: str
    images: int
    bad: int
    unreadable: int = 0

    @classmethod
    def of(cls, part: Part, statuses: Counter[str]) -> Self:
        images = statuses.total()
        bad = images - sum(statuses[name] for name in USABLE)
        return cls(part.job.plan.series, part.key, images, bad, statuses[UNREADABLE])


@dataclass(frozen=True)
class PartitionDone:
    """Counts of a partition; `classified` in this very run, the rest was there already."""

    images: int
    bad: int
    classified: int


@task(
    retries=2,
    retry_delay_seconds=[2, 10],
    cache_policy=NO_CACHE,
    task_run_name="classify partition {partition.index}",
)
def classify_partition(partition: Partition) -> PartitionDone:
    """Classify the parts of a partition and commit each, but for those that are there already."""
    parts = parts_of(partition)
    done, todo = [], []
    for part in parts:
        found = earlier(part)
        if found and found.key == part.key and not found.unreadable:
            done.append(found)
        else:
            todo.append((part, missing(part) if found else part))
    rest = [files for _, files in todo]
    for (part, files), rows in zip(todo, predict_parts(rest), strict=True):
        done.append(commit(part, rows, standing=len(files.files) < len(part.files)))
    for part in parts:
        sort_files(part)
    return PartitionDone(
        images=sum(part.images for part in done),
        bad=sum(part.bad for part in done),
        classified=sum(len(part.files) for part in rest),
    )


def room_for(options: Classification) -> int:
    """How many tasks the Ray cluster can run at once now; 0 while no node has what one asks for."""
    asked = {"CPU": options.cpus_per_task, "GPU": options.gpus_per_task}
    needed = {name: amount for name, amount in asked.items() if amount}
    return sum(min(int(node.get(name, 0) / amount) for name, amount in needed.items()) for node in nodes())


def check_room(options: Classification) -> int:
    """The room for tasks; InputError when there is none."""
    if room := room_for(options):
        return room
    have = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes())
    raise InputError(
        "A node of the cluster must have `cpus_per_task` and `gpus_per_task`. "
        f"Received {options.cpus_per_task} CPUs and {options.gpus_per_task:g} GPUs for nodes of: {have}."
    )


def nodes() -> list[dict[str, float]]:
    """What each living node of the Ray cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def earlier(part: Part) -> PartDone | None:
    """What an earlier run of the series committed of this part; files may have left it since."""
    if not (storage.exists(part.marker_url) and storage.exists(part.url)):
        return None
    marker = storage.read_json(part.marker_url)
    return PartDone(**marker) if marker["series"] == part.job.plan.series else None


def missing(part: Part) -> Part:
    """The part with only those of its files that no row stands for; an unreadable one is tried again."""
    known = set(standing_rows(part, ["path", "status"])["path"].to_pylist())
    return replace(part, files=tuple(file for file in part.files if file.path not in known))


def commit(part: Part, rows: Sequence[Row], standing: bool) -> PartDone:
    """Commit new rows of a part, beside those that stand in its file if `standing`."""
    table = as_stored(rows, part.job.options.format)
    if standing:
        table = pa.concat_tables([standing_rows(part), table])
    storage.remove(part.marker_url)  # an older one must not stand beside newer rows
    write_rows(part, table)
    done = PartDone.of(part, counts(table["status"]))
    storage.write_json(part.marker_url, asdict(done))
    return done


def predict_parts(parts: Sequence[Part]) -> Iterator[list[Row]]:
    """Yield the rows of each part, one a file, in order; a file that cannot be used has its status and error.

    Threads read ahead, and decode while the model runs; nothing waits from one part to the next. On one CPU
    alone the model's own thread decodes too: another one for the same core would only be in its way.
    """
    if not parts:
        return
    job = parts[0].job
    cpus, gpus = job.options.cpus_per_task, job.options.gpus_per_task
    threads = 0 if cpus == 1 and not gpus else cpus
    decoded = partial(decoded_batches, job.root, parts, job.model.size_px, threads)
    batches = ahead(decoded) if threads else decoded()
    for part in parts:
        rows: list[Row] = []
        while len(rows) < len(part.files):
            batch, images = next(batches)
            if len(images):
                label_rows(batch, images, job)
            rows += batch
        yield rows


def decoded_batches(
    root: str, parts: Sequence[Part], size_px: int, threads: int
) -> Iterator[tuple[list[Row], np.ndarray]]:
    """Yield the rows of up to BATCH files of one part with the images of the usable ones.

    Images are uint8 [n, size_px, size_px, 3].
    """
    files = list(chain.from_iterable(part.files for part in parts))
    decoded = in_order(
        lambda pair: decode_row(*pair, size_px),
        zip(files, read_images(root, files), strict=True),
        threads,
        DECODED_AHEAD,
        weight=lambda pair: pair[0].bytes / AHEAD_BYTES,
    )
    for part in parts:
        for start in range(0, len(part.files), BATCH):
            batch = list(islice(decoded, min(BATCH, len(part.files) - start)))
            images = [pixels for _, pixels in batch if pixels is not None]
            stacked = np.stack(images) if images else np.empty((0, size_px, size_px, 3), np.uint8)
            yield [row for row, _ in batch], stacked


def decode_row(file: FileEntry, content: bytes | ImageError, size_px: int) -> tuple[Row, np.ndarray | None]:
    """A file's row before it is classified, with its pixels unless it cannot be used."""
    try:
        if isinstance(content, ImageError):
            raise content
        pixels = decode_image(content, size_px).pixels
    except ImageError as error:
        return {"path": file.path, "status": error.status, "error": error.reason}, None
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return {"path": file.path, "status": "ok", **measure_looks(grey)}, pixels


def label_rows(batch: Sequence[Row], images: np.ndarray, job: Job) -> None:
    """Classify the images of the usable rows of a batch, and write into those what they show."""
    classifier = load_classifier(job.model)
    probabilities = iter(scale_temperature(classifier.predict(images), job.model.temperature))
    for row in batch:
        if row["status"] == "ok":
            row |= labels_of(next(probabilities), job.model, job.options.min_confidence)
            row["engine"] = classifier.engine


def labels_of(probabilities: np.ndarray, model: ModelVersion, min_confidence: float) -> Row:
    """The label, its calibrated confidence, and the TOP likeliest classes."""
    order = np.argsort(-probabilities, kind="stable")[:TOP]
    confidence = float(probabilities[order[0]])
    return {
        "status": "ok" if confidence >= min_confidence else "unsure",
        "label": model.classes[order[0]],
        "confidence": confidence,
        "top_labels": [model.classes[i] for i in order],
        "top_confidences": [float(probabilities[i]) for i in order],
        "model": model.version,
    }
