"""Exactly the files that a list names: text with a path a line, CSV, Parquet or JSON."""

import csv
import json
import posixpath
import sys
from collections.abc import Iterator
from typing import Any

from tasks import storage
from tasks.corrections import read_records
from tasks.errors import InputError
from tasks.storage import FileEntry

STANDARD_INPUT = "-"


def files_in_list(images_url: str, url: str) -> Iterator[FileEntry]:
    """The files that the list at `url` names, each once; one that is not there has no size and no mark.

    url: of the list, or `-` for standard input. Paths are relative to the folder `images_url`, or URLs below
    it. Raises InputError for a list that is not there, broken or empty, and for a path that leads elsewhere.
    """
    paths = dict.fromkeys(relative(path, images_url) for path in read_list(url))
    if not paths:
        raise InputError(f"`files` must name files. Received a list without any: {url!r}.")
    return storage.find_files(images_url, paths)


def read_list(url: str) -> list[str]:
    """The paths in a list, whose format its name's ending tells, or else how it begins."""
    ending = url.rpartition(".")[2].lower()
    try:
        if ending == "parquet":
            return [path_of(row) for row in storage.read_table(url).to_pylist()]
        data = sys.stdin.buffer.read() if url == STANDARD_INPUT else storage.read_bytes(url)
        return paths_in(data, ending)
    except OSError as error:
        raise InputError(f"`files` must be a list that can be read. Received: {url!r} ({error}).") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise InputError(
            f"`files` must be a list with a path a line or in a column `path`. Received {url!r}: {error}."
        ) from error


def paths_in(data: bytes, ending: str) -> list[str]:
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"[":
        return [path_of(entry) for entry in json.loads(data.decode("utf-8-sig"))]
    if ending in ("csv", "jsonl") or start == b"{":
        return [path_of(row) for row in read_records(data, "csv" if ending == "csv" else "jsonl")]
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
    return [storage.escape(line.rstrip("\r")) for line in lines if line.strip()]


def path_of(entry: Any) -> str:
    path = entry.get("path") if isinstance(entry, dict) else entry
    if not isinstance(path, str) or not path:
        raise ValueError(f"no path in {str(entry)[:100]}")
    return path


def relative(path: str, images_url: str) -> str:
    """A path of a list below the folder of images. Raises InputError where it leads elsewhere."""
    path = path.removeprefix("file://").removeprefix(f"{images_url.rstrip('/')}/")
    is_elsewhere = "://" in path
    if "://" not in images_url:  # in object stores any name is plain
        path = posixpath.normpath(path)
    if is_elsewhere or path.startswith(("/", "../")) or path in (".", ".."):
        raise InputError(f"`files` must lie below `images`, {images_url!r}. Received: {path!r}.")
    return path
