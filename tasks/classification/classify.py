"""Bulk classification of one partition on Ray: files are read ahead, decoded, predicted and committed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain, islice, repeat
from typing import Self

import cv2
import numpy as np
import pyarrow as pa

from tasks import storage
from tasks.ahead import map_ahead, prefetch
from tasks.classification.job import Job, Part, Partition, parts_of
from tasks.classification.rows import (
    GOOD,
    UNLIKE,
    Row,
    count_rows,
    count_values,
    reusable_rows,
    to_table,
    write_rows,
)
from tasks.classification.sorting import sort_files
from tasks.dataset import UNREADABLE, ImageError, captured_at, decode_image, measure_looks, read_images
from tasks.errors import InputError
from tasks.evaluation import likeness_of, scale_temperature
from tasks.networks import BATCH, ModelVersion, at_hand, load_classifier, node_resources
from tasks.parameters import Classification
from tasks.storage import AHEAD_BYTES, FileEntry
from tasks.task_runs import RETRIES, task

TOP_CLASSES = 3
DECODED_AHEAD = 4  # batches


@dataclass(frozen=True)
class CommittedPart:
    """The marker of a part whose rows are written: which job and files they belong to, and their counts.

    series, key: as in `Plan` and `Part`. bad: files that could not be classified. unreadable: how many of
    those could not even be read; the next run tries them again.
    """

    series: str
    key: str
    images: int
    bad: int
    unreadable: int = 0

    @classmethod
    def of(cls, part: Part, statuses: Counter[str]) -> Self:
        images = statuses.total()
        bad = images - sum(statuses[name] for name in GOOD)
        return cls(part.job.plan.series, part.key, images, bad, statuses[UNREADABLE])


@dataclass(frozen=True)
class CommittedPartition:
    """Counts of a partition's files. `classified`: those predicted in this run, not in an earlier one.

    unsorted: those that could not be put into a class folder; why_unsorted: the first of them, in words.
    """

    images: int
    bad: int
    classified: int
    unsorted: int = 0
    why_unsorted: str = ""


@task(**RETRIES, task_run_name="classify partition {partition.index}")
def classify_partition(partition: Partition) -> CommittedPartition:
    """Classify and commit the parts of a partition, except those that an earlier run has committed."""
    parts = parts_of(partition)
    committed_parts, incomplete_parts, remainders = [], [], []
    for part in parts:
        marker = read_marker(part)
        if marker and marker.key == part.key and not marker.unreadable:
            committed_parts.append(marker)
        else:
            incomplete_parts.append(part)
            remainders.append(without_classified_files(part) if marker else part)
    with noting_deaths(incomplete_parts) as suspects:
        predictions = predict_parts(remainders, suspects)
        for part, remainder, rows in zip(incomplete_parts, remainders, predictions, strict=True):
            committed_parts.append(commit_part(part, rows, keep_rows=len(remainder.files) < len(part.files)))
    unsorted_files = list(chain.from_iterable(map(sort_files, parts)))
    return CommittedPartition(
        images=sum(part.images for part in committed_parts),
        bad=sum(part.bad for part in committed_parts),
        classified=sum(len(part.files) for part in remainders),
        unsorted=len(unsorted_files),
        why_unsorted=next(iter(unsorted_files), ""),
    )


@contextmanager
def noting_deaths(parts: Sequence[Part]) -> Iterator[frozenset[int]]:
    """Yield the numbers of those parts that a process died of, or was killed at, before."""
    with ExitStack() as stack:
        urls = ((part.number, storage.begun_url(part.job.output, part.number)) for part in parts)
        deaths = {number: stack.enter_context(storage.noting_death(url)) for number, url in urls}
        yield frozenset(number for number, died_before in deaths.items() if died_before)


def room_for(options: Classification) -> int:
    """How many tasks the Ray cluster can run at once now; 0 where no node is large enough for one."""
    task_resources = {"CPU": options.cpus_per_task, "GPU": options.gpus_per_task}
    needed = {name: amount for name, amount in task_resources.items() if amount}
    return sum(
        min(int(node.get(name, 0) / amount) for name, amount in needed.items()) for node in node_resources()
    )


def check_room(options: Classification) -> int:
    """Return `room_for` these options; raise InputError where it is 0."""
    if room := room_for(options):
        return room
    nodes = "; ".join(
        f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in node_resources()
    )
    raise InputError(
        "A node of the cluster must have `cpus_per_task` and `gpus_per_task`. "
        f"Received {options.cpus_per_task} CPUs and {options.gpus_per_task:g} GPUs for nodes of: {nodes}."
    )


def read_marker(part: Part) -> CommittedPart | None:
    """The part's marker, if an earlier run of the same series committed it; its key may be out of date."""
    marker = storage.unless_broken(
        lambda: storage.from_record(CommittedPart, storage.read_record(part.marker_url)), part.marker_url
    )
    if marker is None or marker.series != part.job.plan.series:
        return None
    return marker if count_rows(part.url) == marker.images else None


def without_classified_files(part: Part) -> Part:
    """The part with only those of its files that have no reusable row in its committed file yet."""
    classified_paths = set(reusable_rows(part, ["path", "status"])["path"].to_pylist())
    return replace(part, files=tuple(file for file in part.files if file.path not in classified_paths))


def commit_part(part: Part, rows: Sequence[Row], keep_rows: bool) -> CommittedPart:
    """Write the part's rows and then its marker. keep_rows: with the reusable rows of its present file."""
    table = to_table(rows, part.job.options.format)
    if keep_rows:
        table = pa.concat_tables([reusable_rows(part), table])
    storage.remove(part.marker_url)  # so that a kill after the next line leaves no old marker beside new rows
    write_rows(part, table)
    marker = CommittedPart.of(part, count_values(table["status"]))
    storage.write_record(part.marker_url, asdict(marker))
    return marker


def predict_parts(parts: Sequence[Part], suspects: frozenset[int] = frozenset()) -> Iterator[list[Row]]:
    """Yield the rows of each part of one job, one a file, in order; files not usable carry status and error.

    Threads read ahead and decode while the model predicts, across the borders of parts. With a single CPU
    and no GPU the model's own thread decodes: another thread would only compete for the same core.
    suspects: the numbers of parts whose files are decoded in another process, since one may kill this one.
    """
    if not parts:
        return
    job = parts[0].job
    cpus, gpus = job.options.cpus_per_task, job.options.gpus_per_task
    threads = 0 if cpus == 1 and not gpus else cpus
    size = load_classifier(at_hand(job.model, job.options.engine)).batch if gpus else BATCH
    decode = partial(decoded_batches, parts, threads, suspects, size)
    batches = prefetch(decode) if threads else decode()
    for part in parts:
        rows: list[Row] = []
        while len(rows) < len(part.files):
            batch, images = next(batches)
            if len(images):
                add_predictions(batch, images, job)
            rows += batch
        yield rows


def decoded_batches(
    parts: Sequence[Part], threads: int, suspects: frozenset[int] = frozenset(), size: int = BATCH
) -> Iterator[tuple[list[Row], np.ndarray]]:
    """Yield batches of at most `size` files of one part of a job: a row a file, and the usable images.

    Images are uint8 [n, size_px, size_px, 3], in the order of the rows with status `ok`.
    """
    images_url, model = parts[0].job.images_url, parts[0].job.model
    files = list(chain.from_iterable(part.files for part in parts))
    apart = chain.from_iterable(repeat(part.number in suspects, len(part.files)) for part in parts)
    decoded_files = map_ahead(
        lambda triple: decode_file(triple[0], triple[1], model, apart=triple[2]),
        zip(files, read_images(images_url, files), apart, strict=True),
        threads,
        DECODED_AHEAD * size,
        weight=lambda triple: triple[0].bytes / AHEAD_BYTES,
    )
    for part in parts:
        for start in range(0, len(part.files), size):
            batch = list(islice(decoded_files, min(size, len(part.files) - start)))
            images = [pixels for _, pixels in batch if pixels is not None]
            stacked = np.stack(images) if images else np.empty((0, model.size_px, model.size_px, 3), np.uint8)
            yield [row for row, _ in batch], stacked


def decode_file(
    file: FileEntry, content: bytes | ImageError, model: ModelVersion, apart: bool = False
) -> tuple[Row, np.ndarray | None]:
    """A file's row as it is before prediction, and its pixels as the model sees them; None if unusable."""
    try:
        if isinstance(content, ImageError):
            raise content
        decoded = decode_image(content, model.size_px, apart, model.fit)
    except ImageError as error:
        return {"path": file.path, "status": error.status, "error": error.reason}, None
    grey = cv2.cvtColor(decoded.pixels, cv2.COLOR_RGB2GRAY)
    facts = {"width": decoded.width, "height": decoded.height, "captured": captured_at(content)}
    return {"path": file.path, "status": "ok", **measure_looks(grey), **facts}, decoded.pixels


def add_predictions(batch: Sequence[Row], images: np.ndarray, job: Job) -> None:
    """Classify the images, and add to the rows with status `ok`, in place, what the model predicts."""
    model = at_hand(job.model, job.options.engine)
    classifier = load_classifier(model)
    probabilities, features = classifier.look(images)
    predictions = zip(
        scale_temperature(probabilities, model.temperature),
        likeness_of(model, features, len(images)),
        strict=True,
    )
    for row in batch:
        if row["status"] == "ok":
            calibrated, likeness = next(predictions)
            row |= prediction_fields(calibrated, model, job.sure_from)
            row |= {"engine": classifier.engine, "likeness": likeness}
            if model.is_unlike(likeness):
                row |= {"status": UNLIKE, "label": None, "confidence": None}


def prediction_fields(probabilities: np.ndarray, model: ModelVersion, sure_from: Sequence[float]) -> Row:
    """The label, its calibrated confidence and the TOP_CLASSES likeliest classes, as fields of a row."""
    order = np.argsort(-probabilities, kind="stable")[:TOP_CLASSES]
    confidence = float(probabilities[order[0]])
    return {
        "status": "ok" if confidence >= sure_from[order[0]] else "unsure",
        "label": model.classes[order[0]],
        "confidence": confidence,
        "top_labels": [model.classes[i] for i in order],
        "top_confidences": [float(probabilities[i]) for i in order],
        "model": model.version,
    }
