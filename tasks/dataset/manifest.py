"""Folder to manifest: every file with its label and split, cut into parts, and a fingerprint of it all."""

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
from tasks.dataset.decode import DECODER_VERSION
from tasks.dataset.folders import Labelled, label_all
from tasks.dataset.records import Manifest
from tasks.errors import InputError
from tasks.parameters import Leakage
from tasks.storage import FileEntry, walk

FILES_A_PART = 1024
MAX_PARTS = 256
PARTS_VERSION = [DECODER_VERSION, 2]  # raise the second when side-cars say more: likewise

INDEX_VERSION = (
    1  # raise when splits settle otherwise or the index says more: datasets are made anew of parts
)

log = logging.getLogger("darkroom")

T = TypeVar("T")


@task(cache_policy=NO_CACHE, task_run_name="list")
def list_images(
    root: str, store: str, size_px: int, val_share: float, leakage: Leakage = "exclude"
) -> Manifest:
    """List a folder of labelled images and commit its manifest to the store."""
    root, store = storage.absolute(root), storage.absolute(store)
    storage.check_apart(root, store, "store")
    storage.check_writable(store, "store")
    listed = label_all(list_files(root))
    rows = [row for row in listed if row.label is not None]
    classes = tuple(sorted({str(row.label) for row in rows}))
    check_classes(root, len(listed), classes)
    fingerprint = fingerprint_of(rows, size_px, val_share, leakage)
    dataset_url = storage.dataset_url(store, fingerprint)
    if not storage.exists(storage.manifest_url(dataset_url)):
        write_manifest(storage.manifest_url(dataset_url), cut(rows, previous_parts(store, size_px)))
    unlabelled = len(listed) - len(rows)
    log.info(
        "Listed %s files of %s classes in %s, and %s in no class folder left out",
        f"{len(rows):,}",
        len(classes),
        root,
        f"{unlabelled:,}",
    )
    parts = count_parts(storage.manifest_url(dataset_url))
    return Manifest(
        root, dataset_url, fingerprint, classes, len(rows), unlabelled, parts, size_px, val_share, leakage
    )


def list_files(root: str) -> list[FileEntry]:
    """Every file below `root` in path order; InputError when there is none."""
    files = sorted(walk(root), key=lambda file: file.path)
    if not files:
        raise InputError(f"`images` must contain image files. Received an empty folder: {root!r}.")
    return files


def fingerprint_of(rows: Iterable[Labelled], size_px: int, val_share: float, leakage: Leakage) -> str:
    """Hash the sorted entries and every option that changes what is trained on; 16 hex digits."""
    digest = hashlib.sha256(json.dumps([PARTS_VERSION, INDEX_VERSION, size_px, val_share, leakage]).encode())
    for row in rows:
        digest.update(json.dumps([*_identity(row.file), row.label, row.split]).encode())
    return digest.hexdigest()[:16]


def part_key(files: Iterable[FileEntry], size_px: int) -> str:
    """What a decoded part depends on: its files in order, the size and the decoder; not their labels."""
    digest = hashlib.sha256(json.dumps([PARTS_VERSION, size_px]).encode())
    for file in files:
        digest.update(json.dumps(_identity(file)).encode())
    return digest.hexdigest()[:32]


def _identity(file: FileEntry) -> tuple[str, int, str]:
    return file.path, file.bytes, file.mark


def cut(rows: Sequence[Labelled], previous: Sequence[Sequence[FileEntry]]) -> list[Sequence[Labelled]]:
    """Cut sorted rows into parts, keeping each previous part whose files are all still there unchanged.

    New and changed files form parts of their own, so that 1 % of new files costs 1 % of the decoding.
    When that would pass MAX_PARTS parts, everything is cut afresh.
    """
    by_identity = {_identity(row.file): row for row in rows}
    kept: list[Sequence[Labelled]] = []
    for files in previous:
        if all(_identity(file) in by_identity for file in files):
            kept.append([by_identity.pop(_identity(file)) for file in files])
    fresh = list(by_identity.values())
    parts = kept + slices(fresh)
    if len(parts) > MAX_PARTS:
        return cut(rows, [])
    return parts


def slices(rows: Sequence[T]) -> list[Sequence[T]]:
    """Cut rows into at most MAX_PARTS parts of at least FILES_A_PART rows, the last one shorter."""
    length = max(FILES_A_PART, -(-len(rows) // MAX_PARTS))
    return [rows[start : start + length] for start in range(0, len(rows), length)]


def write_manifest(url: str, parts: Sequence[Sequence[Labelled]]) -> None:
    """Write listed files as Parquet, one row group a part."""
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


def _table(rows: Sequence[Labelled]) -> pa.Table:
    columns = [(*_identity(row.file), row.label, row.split) for row in rows]
    return pa.table(dict(zip(SCHEMA.names, zip(*columns, strict=True), strict=True)), schema=SCHEMA)


def part_files(url: str, part: int) -> list[FileEntry]:
    """The files of one part of a manifest, in order."""
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        rows = pq.ParquetFile(file).read_row_group(part, columns=["path", "bytes", "mark"]).to_pylist()
    return [FileEntry(**row) for row in rows]


def count_parts(url: str) -> int:
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        return pq.ParquetFile(file).num_row_groups


def previous_dataset(store: str, size_px: int) -> str | None:
    """The dataset of this store that was committed last with the same image size, if there is one."""
    committed = []
    for name in storage.names(storage.datasets_url(store)):
        success = storage.success_url(storage.dataset_url(store, name))
        if storage.exists(success):
            record = storage.read_json(success)
            if record["size_px"] == size_px and record["decoder"] == PARTS_VERSION:
                committed.append((record["committed"], name))
    return storage.dataset_url(store, max(committed)[1]) if committed else None


def previous_parts(store: str, size_px: int) -> list[list[FileEntry]]:
    if dataset_url := previous_dataset(store, size_px):
        url = storage.manifest_url(dataset_url)
        return [part_files(url, part) for part in range(count_parts(url))]
    return []
