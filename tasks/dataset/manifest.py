"""From a folder to its manifest: every file with label and split, in parts, under one fingerprint."""

import hashlib
import json
import logging
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tasks import storage
from tasks.corrections import compact_answers, corrections_in_force
from tasks.dataset.attempts import choose_dataset
from tasks.dataset.catalogue import Catalogue, read_catalogue
from tasks.dataset.checks import check_classes, check_places
from tasks.dataset.corrections import Corrections, added_files, corrections_of, write_corrections
from tasks.dataset.folders import LabelledFile
from tasks.dataset.layout import check_class_names
from tasks.dataset.listing import drawing_of, label_images
from tasks.dataset.records import Drawing, Manifest
from tasks.parameters import Data, Fit, Leakage
from tasks.pictures import DECODER_VERSION
from tasks.storage import FileEntry
from tasks.task_runs import task

FILES_A_PART = 1024
MAX_PARTS = 256
MOST_READ = 16  # manifests of earlier datasets, for parts to keep
PARTS_VERSION = [DECODER_VERSION, 3]  # raise the second when side-cars change: parts are decoded again
INDEX_VERSION = 1  # raise when the index or the rules of splits change: datasets are then indexed again

log = logging.getLogger("darkroom")

T = TypeVar("T")
Identity = tuple[str, int, str]  # path, bytes and mark of a file
PreviousParts = Callable[[Container[Identity]], Iterable[Sequence[FileEntry]]]


@task(task_run_name="list")
def list_images(
    images: str,
    store: str,
    size_px: int,
    val_share: float,
    leakage: Leakage = "exclude",
    dataset_begun: str | None = None,
    data: Data = Data(),
) -> Manifest:
    """List the folder `images` and commit its manifest to the store.

    dataset_begun: the one that the run has begun to train on, if it has (see `choose_dataset`): its
    corrections stay those it has, whatever was answered since.

    Raises InputError when the folder cannot be read or has too few classes, or the store cannot be written.
    """
    images_url, store = check_places(images, store)
    compact_answers(store)
    folder = read_folder(images_url, store, size_px, val_share, leakage, dataset_begun, data)
    manifest = folder.manifest
    log.info("Read %s as %s", images_url, manifest.words)
    write_corrections(manifest.dataset_url, folder.corrections)
    url = storage.manifest_url(manifest.dataset_url)
    if not is_listed(manifest.dataset_url):
        earlier_parts = partial(previous_parts, read_catalogue(store, images_url), size_px, data.fit)
        write_manifest(url, cut_into_parts(folder.rows, earlier_parts))
        if folder.problems:
            storage.write_json(storage.label_problems_url(manifest.dataset_url), folder.problems)
    return replace(manifest, parts=count_parts(url))


@dataclass(frozen=True)
class Folder:
    """A folder as it was read. manifest: as it will be committed, not yet cut into parts."""

    manifest: Manifest
    rows: Sequence[LabelledFile]
    corrections: Corrections
    problems: dict[str, list[str]]


def read_folder(
    images_url: str,
    store: str,
    size_px: int,
    val_share: float,
    leakage: Leakage,
    dataset_begun: str | None,
    data: Data,
) -> Folder:
    """List and label a folder, and find the name of its dataset; writes nothing. See `list_images`."""
    listing = label_images(images_url, data)
    classes = tuple(sorted({str(row.label) for row in listing.rows}))
    check_classes(images_url, listing.files, classes)
    check_class_names(images_url, classes)
    corrections = corrections_to_apply(store, dataset_begun)
    added = added_files(store, corrections)
    rows = sorted([*listing.rows, *added], key=lambda row: row.file.path)
    drawing = drawing_of(rows, data)
    fingerprint = fingerprint_of(
        images_url, rows, size_px, val_share, leakage, corrections, drawing, data.fit
    )
    name = choose_dataset(store, images_url, [row.file for row in rows], fingerprint, dataset_begun)
    manifest = Manifest(
        images_url=images_url,
        dataset_url=storage.dataset_url(store, name),
        fingerprint=name,
        classes=classes,
        files=len(rows),
        unlabelled=listing.files - len(listing.rows),
        parts=0,
        size_px=size_px,
        val_share=val_share,
        leakage=leakage,
        drawing=drawing,
        words=listing.words,
        fit=data.fit,
    )
    return Folder(manifest, rows, corrections, listing.problems)


def corrections_to_apply(store: str, dataset_begun: str | None) -> Corrections:
    """What people answered so far; of a run that goes on, what its dataset was begun with."""
    if dataset_begun:
        return corrections_of(storage.dataset_url(store, dataset_begun))
    return corrections_in_force(store)


def is_listed(dataset_url: str) -> bool:
    """Whether a dataset has its manifest. A broken one is written anew, and the dataset indexed again."""
    url = storage.manifest_url(dataset_url)
    if storage.unless_broken(lambda: count_parts(url), url) is not None:
        return True
    storage.remove(storage.success_url(dataset_url))
    return False


def fingerprint_of(
    images_url: str,
    rows: Iterable[LabelledFile],
    size_px: int,
    val_share: float,
    leakage: Leakage,
    corrections: Corrections,
    drawing: Drawing,
    fit: Fit,
) -> str:
    """16 hex digits that change with the folder, its files, their labels and splits, options and corrections.

    The folder counts: two may hold files of the same names, sizes and times that show other pictures.
    """
    options = [PARTS_VERSION, INDEX_VERSION, images_url, size_px, val_share, leakage]
    if drawing != Drawing():
        options.append(astuple(drawing))
    if fit != "squeeze":
        options.append(fit)
    digest = hashlib.sha256(json.dumps(options).encode())
    for row in rows:
        by_file = [row.group, row.time] if row.group or row.time else []
        digest.update(json.dumps([*identity(row.file), row.label, row.split, *by_file]).encode())
    for sha256, answer in sorted(corrections.items()):
        digest.update(json.dumps([sha256, answer.decision, answer.label]).encode())
    return digest.hexdigest()[:16]


def part_key(files: Iterable[FileEntry], size_px: int, fit: Fit) -> str:
    """32 hex digits that change with what a decoded part depends on: files, size, fit and decoder.

    Parts of equal key in another folder may show other pictures (see `has_same_content`).
    """
    options = [PARTS_VERSION, size_px] if fit == "squeeze" else [PARTS_VERSION, size_px, fit]
    digest = hashlib.sha256(json.dumps(options).encode())
    for file in files:
        digest.update(json.dumps(identity(file)).encode())
    return digest.hexdigest()[:32]


def identity(file: FileEntry) -> Identity:
    return file.path, file.bytes, file.mark


def cut_into_parts(rows: Sequence[LabelledFile], previous: PreviousParts) -> list[Sequence[LabelledFile]]:
    """Cut sorted rows into parts; a previous part whose files are all there, unchanged, stays a part.

    previous: gives parts of earlier datasets that may hold some of the files that are in no part yet.

    New and changed files form parts of their own, so that 1 % of new files costs 1 % of the decoding.
    When there would be more than MAX_PARTS, the previous parts are ignored.
    """
    remaining = {identity(row.file): row for row in rows}
    parts: list[Sequence[LabelledFile]] = []
    for files in previous(remaining):
        if all(identity(file) in remaining for file in files):
            parts.append([remaining.pop(identity(file)) for file in files])
    parts += slices(list(remaining.values()))
    return parts if len(parts) <= MAX_PARTS else slices(rows)


def previous_parts(
    catalogue: Catalogue, size_px: int, fit: Fit, remaining: Container[Identity]
) -> Iterator[list[FileEntry]]:
    """The files of parts of a store's datasets whose first file is among the remaining ones.

    Few manifests are read, since a dataset's marker tells the first files of its parts: what has remained
    by the time its turn comes is looked up there. Markers of older versions do not tell them; of such
    datasets only one that comes first is read.
    """
    markers = {
        url: marker
        for url, marker in catalogue.markers.items()
        if (marker["size_px"], marker.get("fit", "squeeze")) == (size_px, fit)
        and marker["decoder"] == PARTS_VERSION
    }
    read = 0
    for dataset_url, marker in markers.items():
        first_files = marker.get("first_files", [None] * len(marker["parts"]) if not read else [])
        numbers = [
            number for number, first in enumerate(first_files) if first is None or tuple(first) in remaining
        ]
        if numbers and read < MOST_READ:
            read += 1
            url = storage.manifest_url(dataset_url)
            yield from storage.unless_broken(partial(read_parts, url, numbers), url) or []


def slices(rows: Sequence[T]) -> list[Sequence[T]]:
    """Cut rows into at most MAX_PARTS slices of FILES_A_PART rows or more; the last may have fewer."""
    length = max(FILES_A_PART, -(-len(rows) // MAX_PARTS))
    return [rows[start : start + length] for start in range(0, len(rows), length)]


def write_manifest(url: str, parts: Sequence[Sequence[LabelledFile]]) -> None:
    """Write the manifest as Parquet, one row group per part."""
    with storage.committing(url) as path, pq.ParquetWriter(path, SCHEMA) as writer:
        for part in parts:
            writer.write_table(_table(part), row_group_size=len(part))


SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "bytes": pa.int64(),
        "mark": pa.string(),
        "label": pa.string(),
        "split": pa.string(),
        "scene": pa.string(),
        "time": pa.string(),
    }
)


def _table(rows: Sequence[LabelledFile]) -> pa.Table:
    columns = [(*identity(row.file), row.label, row.split, row.group, row.time) for row in rows]
    return pa.table(dict(zip(SCHEMA.names, zip(*columns, strict=True), strict=True)), schema=SCHEMA)


def part_files(url: str, part: int) -> list[FileEntry]:
    """The files of one part of the manifest at `url`, in order."""
    [files] = read_parts(url, [part])
    return files


def read_parts(url: str, parts: Iterable[int] | None = None) -> list[list[FileEntry]]:
    """The files of some parts of the manifest at `url`, or of all, each in order."""
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        manifest = pq.ParquetFile(file)
        numbers = range(manifest.num_row_groups) if parts is None else parts
        for part in numbers:
            storage.check_table(url, manifest.metadata, part)
        rows = [manifest.read_row_group(part, columns=["path", "bytes", "mark"]) for part in numbers]
    return [[FileEntry(**row) for row in part.to_pylist()] for part in rows]


def count_parts(url: str) -> int:
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        return pq.ParquetFile(file).num_row_groups
