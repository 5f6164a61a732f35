"""Bulk classification: an image folder and a model version to one row a file, part by part on Ray."""

import csv
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.batches import ahead
from tasks.files import FileEntry
from tasks.images import ImageError, decode, read_images
from tasks.manifest import Labelled, list_files, part_files, part_key, slices, write_manifest
from tasks.metrics import scale_temperature
from tasks.registry import ModelVersion
from tasks.settings import Format

if TYPE_CHECKING:
    from tasks.classifier import Classifier

PART_NAME = re.compile(r"part-\d{5}\.(parquet|csv)")
TOP = 3
BATCH = 64

log = logging.getLogger("darkroom")

Row = dict[str, Any]

SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "status": pa.string(),
        "error": pa.string(),
        "label": pa.string(),
        "confidence": pa.float32(),
        "top_labels": pa.list_(pa.string()),
        "top_confidences": pa.list_(pa.float32()),
    }
)


@dataclass(frozen=True)
class Job:
    """One bulk classification: what is classified by which model to where."""

    root: str
    output: str
    model: ModelVersion
    format: Format
    files: int
    keys: tuple[str, ...]

    @property
    def key(self) -> str:
        return digest(self.keys)


@dataclass(frozen=True)
class PredictionPart:
    """One part of a job; `key` changes with its files, the model and the options."""

    job: Job
    index: int
    key: str


@dataclass(frozen=True)
class PartDone:
    """What a part's marker says; `skipped` when an earlier run had committed it."""

    key: str
    images: int
    bad: int
    labels: dict[str, int]
    skipped: bool = False


@task(cache_policy=NO_CACHE)
def plan_job(root: str, output: str, model: ModelVersion, format: Format) -> Job:
    """List a folder, cut it into parts and commit the manifest to the output."""
    root, output = storage.absolute(root), storage.absolute(output)
    storage.check_apart(root, output, "output")
    storage.check_writable(output, "output")
    files = list_files(root)
    log.info("Listed %s files in %s", f"{len(files):,}", root)
    parts = slices(files)
    write_manifest(
        manifest_url(output), [[Labelled(file, None, "unlabelled") for file in part] for part in parts]
    )
    made_by = [root, model.sha256, model.temperature, format]
    keys = tuple(digest([part_key(part, model.size_px), *made_by]) for part in parts)
    return Job(root, output, model, format, len(files), keys)


def digest(values: Sequence[Any]) -> str:
    return storage.sha256(json.dumps(values).encode())[:32]


def plan_parts(job: Job) -> list[PredictionPart]:
    """The parts still to do; whatever an earlier job left that is not of this one is removed."""
    success = storage.join(job.output, "_SUCCESS")
    if storage.exists(success):
        if storage.read_json(success)["key"] == job.key:
            return []
        storage.remove(success)
    parts = [PredictionPart(job, index, key) for index, key in enumerate(job.keys)]
    expected = {storage.name_of(part_url(part)) for part in parts}
    for name in storage.names(job.output):
        if PART_NAME.fullmatch(name) and name not in expected:
            storage.remove(storage.join(job.output, name))
    return parts


def manifest_url(output: str) -> str:
    return storage.join(output, "_manifest.parquet")


def part_url(part: PredictionPart) -> str:
    return storage.join(part.job.output, f"part-{part.index:05d}.{part.job.format}")


def marker_url(part: PredictionPart) -> str:
    return storage.join(part.job.output, "_done", f"part-{part.index:05d}.json")


@task(
    retries=2,
    retry_delay_seconds=[2, 10],
    cache_policy=NO_CACHE,
    task_run_name="classify part {part.index}",
)
def classify_part(part: PredictionPart) -> PartDone:
    """Classify one part and commit its rows, unless they are there already."""
    if done := committed(part):
        return done
    from tasks.classifier import load_classifier

    job = part.job
    files = part_files(manifest_url(job.output), part.index)
    rows = list(predict_files(job.root, files, load_classifier(job.model.uri, job.model.sha256), job.model))
    storage.remove(marker_url(part))  # an older one must not stand beside newer rows
    write_rows(part_url(part), rows, job.format)
    labels = Counter(row["label"] for row in rows if row["status"] == "ok")
    done = PartDone(part.key, len(rows), len(rows) - labels.total(), dict(labels))
    storage.write_json(marker_url(part), asdict(done))
    return done


def committed(part: PredictionPart) -> PartDone | None:
    """A part's marker, if it was made from the same files by the same model with the same options."""
    if not storage.exists(marker_url(part)):
        return None
    done = PartDone(**storage.read_json(marker_url(part)))
    return replace(done, skipped=True) if done.key == part.key and storage.exists(part_url(part)) else None


def predict_files(
    root: str, files: Sequence[FileEntry], classifier: "Classifier", model: ModelVersion
) -> Iterator[Row]:
    """Yield one row a file, in order; a file that cannot be used yields its status and error.

    Threads read ahead, one decodes the next batches while the model runs on the present one.
    """
    for rows, images in ahead(lambda: decoded_batches(root, files, model.size_px)):
        probabilities = iter(scale_temperature(classifier.predict(images), model.temperature))
        for row in rows:
            yield row | labels_of(next(probabilities), model.classes) if row["status"] == "ok" else row


def decoded_batches(
    root: str, files: Sequence[FileEntry], size_px: int
) -> Iterator[tuple[list[Row], np.ndarray]]:
    """Yield the rows of up to BATCH files with the images, uint8 [n, size, size, 3], of the usable ones."""
    pairs = zip(files, read_images(root, files), strict=True)
    while batch := list(islice(pairs, BATCH)):
        rows, images = [], []
        for file, content in batch:
            row: Row = {"path": file.path, "status": "ok"}
            try:
                if isinstance(content, ImageError):
                    raise content
                images.append(decode(content, size_px).pixels)
            except ImageError as error:
                row |= {"status": error.status, "error": error.reason}
            rows.append(row)
        yield rows, np.stack(images) if images else np.empty((0, size_px, size_px, 3), np.uint8)


def labels_of(probabilities: np.ndarray, classes: Sequence[str]) -> Row:
    """The label, its calibrated confidence, and the TOP likeliest classes."""
    order = np.argsort(-probabilities, kind="stable")[:TOP]
    return {
        "label": classes[order[0]],
        "confidence": float(probabilities[order[0]]),
        "top_labels": [classes[i] for i in order],
        "top_confidences": [float(probabilities[i]) for i in order],
    }


def write_rows(url: str, rows: Iterable[Row], format: Format) -> None:
    if format == "parquet":
        storage.write_table(url, pa.Table.from_pylist(list(rows), schema=SCHEMA))
        return
    with storage.committing(url) as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, SCHEMA.names)
        writer.writeheader()
        for row in rows:
            joined = {
                name: ";".join(map(str, row[name]))
                for name in ("top_labels", "top_confidences")
                if name in row
            }
            writer.writerow(row | joined)


def read_rows(job: Job) -> Iterator[pa.Table]:
    """Yield path, status, error, label and confidence of every part, in order."""
    for index, key in enumerate(job.keys):
        url = part_url(PredictionPart(job, index, key))
        if job.format == "parquet":
            table = storage.read_table(url)
        else:
            types = pyarrow.csv.ConvertOptions(
                column_types={name: SCHEMA.field(name).type for name in COLUMNS}
            )
            table = pyarrow.csv.read_csv(pa.BufferReader(storage.read_bytes(url)), convert_options=types)
        yield table.select(COLUMNS)


COLUMNS = ["path", "status", "error", "label", "confidence"]
