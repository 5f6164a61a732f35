"""Reads files, local or remote, of bounded size: nobody's file fills the memory, however small it is on disk.

A size is looked at before anything is read or unpacked: of the file itself, and what Parquet's footer and a
zip's directory say that their contents take.
"""

import io
import json
import os
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import BrokenFileError
from tasks.storage.schema import check_schema_version
from tasks.storage.urls import filesystem

MEGABYTE = 2**20
MOST_JSON = 256 * MEGABYTE  # a confusion matrix of 1,500 classes has 20, the catalogue of 1,000 datasets 50
MOST_ARRAYS = 4096 * MEGABYTE  # probabilities of 700,000 test images of 1,500 classes
MOST_TABLE = 4096 * MEGABYTE  # an index of some ten million files
MOST_BYTES = 4096 * MEGABYTE  # of any other file
MOST_ROWS = 2**27  # a column of equal values takes next to nothing


def size(url: str) -> int:
    """Size of a file in bytes."""
    fs, path = filesystem(url)
    return fs.size(path)


def read_bytes(url: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file. most: how many it may have; BrokenFileError for one that has more."""
    if "://" not in url:  # fsspec would take three times as long for a small file
        return read_at_most(url, most)
    fs, path = filesystem(url)
    try:  # from a first byte on: else s3fs looks at the size before, which is another request
        data = fs.cat_file(path, start=0, end=most + 1)
    except FileNotFoundError:
        raise
    except Exception:  # drivers raise errors of their own where an empty object has no first byte
        if size(url):
            raise
        return b""
    if len(data) > most:
        check_size(url, size(url), most)
    return data


def read_at_most(path: str, most: int) -> bytes:
    """The bytes of a local file. BrokenFileError where it has more than `most`, whatever it says of its size.

    A pipe and a link to a device have none until they are read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        check_size(path, size, most)
        pieces = [file.read(size)]
        while size <= most and (piece := file.read(MEGABYTE)):
            pieces.append(piece)
            size += len(piece)
    check_size(path, size, most)
    return b"".join(pieces)


def read_json(url: str) -> Any:
    data = read_bytes(url, MOST_JSON)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BrokenFileError(url, error) from error


def read_record(url: str) -> dict[str, Any]:
    """A record that `write_record` wrote. Raises InputError when a newer Darkroom wrote it."""
    record = read_json(url)
    if not isinstance(record, dict):
        raise BrokenFileError(url, "it holds no record")
    check_schema_version(record, url)
    return record


def read_table(url: str, columns: list[str] | None = None) -> pa.Table:
    """A Parquet file, whole or only the columns named. Raises InputError when a newer Darkroom wrote it."""
    fs, path = filesystem(url)
    with fs.open(path, "rb") as file:
        table = unpack_table(url, file, columns)
    check_schema_version(table.schema.metadata or {}, url)
    return table


def read_arrays(url: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by name."""
    return unpack_arrays(url, read_bytes(url, MOST_ARRAYS))


def check_size(url: str, size: int, most: int) -> None:
    """Raise BrokenFileError for a file that has, or says that it unpacks to, more than `most` bytes."""
    if size > most:
        raise BrokenFileError(url, f"{size / MEGABYTE:,.0f} MB, and at most {most / MEGABYTE:,.0f} are read")


def check_table(url: str, metadata: pq.FileMetaData, row_group: int | None = None) -> None:
    """Raise BrokenFileError for a Parquet file, or one of its row groups, that unpacks to too much."""
    numbers = range(metadata.num_row_groups) if row_group is None else [row_group]
    groups = [metadata.row_group(number) for number in numbers]
    check_size(url, sum(group.total_byte_size for group in groups), MOST_TABLE)
    if (rows := sum(group.num_rows for group in groups)) > MOST_ROWS:
        raise BrokenFileError(url, f"{rows:,} rows, and at most {MOST_ROWS:,} are read")


def unpack_table(url: str, file: pa.NativeFile, columns: list[str] | None = None) -> pa.Table:
    """A Parquet file, whole or only the columns named; BrokenFileError where it is damaged or too large."""
    try:
        parquet = pq.ParquetFile(file)
        check_table(url, parquet.metadata)
        return parquet.read(columns=columns)
    except pa.ArrowInvalid as error:
        raise BrokenFileError(url, error) from error


def unpack_arrays(url: str, data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; BrokenFileError where it is damaged or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_size(url, sum(member.file_size for member in archive.infolist()), MOST_ARRAYS)
        with np.load(io.BytesIO(data)) as arrays:  # it unpickles nothing
            return dict(arrays)
    except BrokenFileError:
        raise
    except Exception as error:  # numpy, zipfile and zlib raise errors of many kinds
        raise BrokenFileError(url, error) from error
