"""From a folder to its manifest: every file with label and split, in parts, under one fingerprint."""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset.checks import check_classes
from tasks.dataset.folders import LabelledFile, label_files
from tasks.dataset.records import Manifest
from tasks.errors import InputError
from tasks.parameters import Leakage
from tasks.pictures import DECODER_VERSION
from tasks.storage import FileEntry, walk

FILES_A_PART = 1024
MAX_PARTS = 256
PARTS_VERSION = [DECODER_VERSION, 2]  # raise the second when side-cars change: parts are decoded again
INDEX_VERSION = 1  # raise when the index or the rules of splits change: datasets are then indexed again

log = logging.getLogger("darkroom")

T = TypeVar("T")


@task(cache_policy=NO_CACHE, task_run_name="list")
def list_images(
    images: str, store: str, size_px: int, val_share: float, leakage: Leakage = "exclude"
) -> Manifest:
    """List the folder `images` and commit its manifest to the store.

    Raises InputError when the folder cannot be read or has too few classes, or the store cannot be written.
    """
    images_url, store = storage.absolute(images), storage.absolute(store)
    storage.check_apart(images_url, store, "store")
    storage.check_writable(store, "store")
    files = label_files(list_files(images_url))
    rows = [row for row in files if row.label is not None]
    classes = tuple(sorted({str(row.label) for row in rows}))
    check_classes(images_url, len(files), classes)
    fingerprint = fingerprint_of(rows, size_px, val_share, leakage)
    dataset_url = storage.dataset_url(store, fingerprint)
    if not storage.exists(storage.manifest_url(dataset_url)):
        parts = cut_into_parts(rows, previous_parts(store, size_px))
        write_manifest(storage.manifest_url(dataset_url), parts)
    unlabelled = len(files) - len(rows)
    log.info(
        "Listed %s files of %s classes in %s, and %s in no class folder left out",
        f"{len(rows):,}",
        len(classes),
        images_url,
        f"{unlabelled:,}",
    )
    return Manifest(
        images_url=images_url,
        dataset_url=dataset_url,
        fingerprint=fingerprint,
        classes=classes,
        files=len(rows),
        unlabelled=unlabelled,
        parts=count_parts(storage.manifest_url(dataset_url)),
        size_px=size_px,
        val_share=val_share,
        leakage=leakage,
    )


def list_files(images_url: str) -> list[FileEntry]:
    """Every file of the folder, sorted by path; InputError when there is none."""
    files = sorted(walk(images_url), key=lambda file: file.path)
    if not files:
        raise InputError(f"`images` must contain image files. Received an empty folder: {images_url!r}.")
    return files


def fingerprint_of(rows: Iterable[LabelledFile], size_px: int, val_share: float, leakage: Leakage) -> str:
    """16 hex digits that change with the files, their labels and splits, and each option of a dataset."""
    digest = hashlib.sha256(json.dumps([PARTS_VERSION, INDEX_VERSION, size_px, val_share, leakage]).encode())
    for row in rows:
        digest.update(json.dumps([*_identity(row.file), row.label, row.split]).encode())
    return digest.hexdigest()[:16]


def part_key(files: Iterable[FileEntry], size_px: int) -> str:
    """32 hex digits that change with what a decoded part depends on: its files, the size and the decoder."""
    digest = hashlib.sha256(json.dumps([PARTS_VERSION, size_px]).encode())
    for file in files:
        digest.update(json.dumps(_identity(file)).encode())
    return digest.hexdigest()[:32]


def _identity(file: FileEntry) -> tuple[str, int, str]:
    return file.path, file.bytes, file.mark


def cut_into_parts(
    rows: Sequence[LabelledFile], previous: Sequence[Sequence[FileEntry]]
) -> list[Sequence[LabelledFile]]:
    """Cut sorted rows into parts; a previous part whose files are all there, unchanged, stays a part.

    New and changed files form parts of their own, so that 1 % of new files costs 1 % of the decoding.
    When there would be more than MAX_PARTS, the previous parts are ignored.
    """
    by_identity = {_identity(row.file): row for row in rows}
    parts: list[Sequence[LabelledFile]] = []
    for files in previous:
        if all(_identity(file) in by_identity for file in files):
            parts.append([by_identity.pop(_identity(file)) for file in files])
    parts += slices(list(by_identity.values()))
    return parts if len(parts) <= MAX_PARTS else slices(rows)


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
    }
)


def _table(rows: Sequence[LabelledFile]) -> pa.Table:
    columns = [(*_identity(row.file), row.label, row.split) for row in rows]
    return pa.table(dict(zip(SCHEMA.names, zip(*columns, strict=True), strict=True)), schema=SCHEMA)


def part_files(url: str, part: int) -> list[FileEntry]:
    """The files of one part of the manifest at `url`, in order."""
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        rows = pq.ParquetFile(file).read_row_group(part, columns=["path", "bytes", "mark"]).to_pylist()
    return [FileEntry(**row) for row in rows]


def count_parts(url: str) -> int:
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        return pq.ParquetFile(file).num_row_groups


def previous_dataset(store: str, size_px: int) -> str | None:
    """The URL of the store's latest dataset with this image size and the present decoder, if any."""
    datasets = []
    for name in storage.names(storage.datasets_url(store)):
        success = storage.success_url(storage.dataset_url(store, name))
        if storage.exists(success):
            record = storage.read_json(success)
            if record["size_px"] == size_px and record["decoder"] == PARTS_VERSION:
                datasets.append((record["committed"], name))
    return storage.dataset_url(store, max(datasets)[1]) if datasets else None


def previous_parts(store: str, size_px: int) -> list[list[FileEntry]]:
    """The files of each part of `previous_dataset`; none where there is no such dataset."""
    if dataset_url := previous_dataset(store, size_px):
        url = storage.manifest_url(dataset_url)
        return [part_files(url, part) for part in range(count_parts(url))]
    return []
