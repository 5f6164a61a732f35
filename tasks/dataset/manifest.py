"""From a folder to its manifest: every file with label and split, in parts, under one fingerprint."""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset.checks import check_classes, check_places
from tasks.dataset.folders import LabelledFile, label_files
from tasks.dataset.layout import check_class_names, layout_in_words
from tasks.dataset.records import Manifest
from tasks.errors import InputError
from tasks.parameters import Leakage
from tasks.pictures import DECODER_VERSION
from tasks.storage import FileEntry, LeftOut, walk

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
    images_url, store = check_places(images, store)
    left_out = LeftOut()
    files = label_files(list_files(images_url, left_out))
    log.info("Read %s as %s", images_url, layout_in_words(files, left_out))
    rows = [row for row in files if row.label is not None]
    classes = tuple(sorted({str(row.label) for row in rows}))
    check_classes(images_url, len(files), classes)
    check_class_names(images_url, classes)
    fingerprint = fingerprint_of(images_url, rows, size_px, val_share, leakage)
    dataset_url = storage.dataset_url(store, fingerprint)
    if not is_listed(dataset_url):
        parts = cut_into_parts(rows, previous_parts(store, size_px))
        write_manifest(storage.manifest_url(dataset_url), parts)
    return Manifest(
        images_url=images_url,
        dataset_url=dataset_url,
        fingerprint=fingerprint,
        classes=classes,
        files=len(rows),
        unlabelled=len(files) - len(rows),
        parts=count_parts(storage.manifest_url(dataset_url)),
        size_px=size_px,
        val_share=val_share,
        leakage=leakage,
    )


def list_files(images_url: str, left_out: LeftOut) -> list[FileEntry]:
    """Every file of the folder, sorted by path; InputError when there is none."""
    files = sorted(walk(images_url, left_out), key=lambda file: file.path)
    if not files:
        raise InputError(
            f"`images` must contain image files. Received an empty folder: {images_url!r}"
            + (f"; left out: {left_out}." if left_out else ".")
        )
    return files


def is_listed(dataset_url: str) -> bool:
    """Whether a dataset has its manifest. A broken one is written anew, and the dataset indexed again."""
    url = storage.manifest_url(dataset_url)
    if storage.unless_broken(lambda: count_parts(url), url) is not None:
        return True
    storage.remove(storage.success_url(dataset_url))
    return False


def fingerprint_of(
    images_url: str, rows: Iterable[LabelledFile], size_px: int, val_share: float, leakage: Leakage
) -> str:
    """16 hex digits that change with the folder, its files, their labels and splits, and each option.

    The folder counts: two may hold files of the same names, sizes and times that show other pictures.
    """
    options = [PARTS_VERSION, INDEX_VERSION, images_url, size_px, val_share, leakage]
    digest = hashlib.sha256(json.dumps(options).encode())
    for row in rows:
        digest.update(json.dumps([*_identity(row.file), row.label, row.split]).encode())
    return digest.hexdigest()[:16]


def part_key(files: Iterable[FileEntry], size_px: int) -> str:
    """32 hex digits that change with what a decoded part depends on: its files, the size and the decoder.

    Parts of equal key in another folder may show other pictures (see `has_same_content`).
    """
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
        record = success_of(storage.dataset_url(store, name))
        if record and record["size_px"] == size_px and record["decoder"] == PARTS_VERSION:
            datasets.append((record["committed"], name))
    return storage.dataset_url(store, max(datasets)[1]) if datasets else None


def success_of(dataset_url: str) -> dict[str, Any] | None:
    """What the marker of a complete dataset says; None where there is none, or a broken one."""
    record = storage.json_unless_broken(storage.success_url(dataset_url))
    return record if record and {"size_px", "decoder", "committed", "parts"} <= record.keys() else None


def previous_parts(store: str, size_px: int) -> list[list[FileEntry]]:
    """The files of each part of `previous_dataset`; none where there is no such dataset."""
    if dataset_url := previous_dataset(store, size_px):
        url = storage.manifest_url(dataset_url)
        return storage.unless_broken(lambda: files_of_parts(url), url) or []
    return []


def files_of_parts(url: str) -> list[list[FileEntry]]:
    return [part_files(url, part) for part in range(count_parts(url))]
