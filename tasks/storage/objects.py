"""Reads and writes files, local or remote; a file is written whole or not at all."""

import hashlib
import json
import logging
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from tasks.errors import InputError, JobError
from tasks.storage.disk import naming_disk, temporary_folder
from tasks.storage.reading import read_bytes
from tasks.storage.schema import KEY, SCHEMA_VERSION, with_schema_version
from tasks.storage.urls import filesystem, join, name_of

NAME_KEPT = 50  # letters of a file's name in that of its unfinished copy
UNFINISHED = ".*.[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f].tmp"
WAITS = (1, 2, 5, 10, 20, 40, 60)  # seconds between tries to write; together over two minutes

log = logging.getLogger("darkroom")

T = TypeVar("T")


def mark_of(info: dict[str, Any]) -> str:
    """The etag of a file, else its time of modification: a text that changes when the file does.

    info: what fsspec says of the file.
    """
    for key in ("ETag", "etag", "md5Hash"):
        if info.get(key):
            return str(info[key]).strip('"')
    if "mtime" in info:
        return format(info["mtime"], ".6f")
    return str(info.get("LastModified") or info.get("last_modified") or info.get("created") or "")


def exists(url: str) -> bool:
    fs, path = filesystem(url)
    fs.invalidate_cache()
    return fs.exists(path)


def modification_time(url: str) -> datetime:
    fs, path = filesystem(url)
    time_modified = fs.modified(path)
    return time_modified if time_modified.tzinfo else time_modified.replace(tzinfo=UTC)


def names(url: str) -> list[str]:
    """Sorted names of the files and folders directly in the folder `url`, without hidden ones.

    Empty when there is no such folder.
    """
    return sorted(sizes(url))


def sizes(url: str) -> dict[str, int]:
    """The size in bytes of what lies directly in the folder `url`, by name, without hidden ones.

    Empty when there is no such folder.
    """
    fs, path = filesystem(url)
    fs.invalidate_cache()
    try:
        entries = fs.ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    inner = [entry for entry in entries if entry["name"].rstrip("/") != path.rstrip("/")]
    named = {name_of(entry["name"]): entry.get("size") or 0 for entry in inner}
    return {name: size for name, size in named.items() if not name.startswith(".")}


@contextmanager
def committing(url: str, patient: bool = False) -> Iterator[str]:
    """Yield a local path to write to. The file there becomes `url` when the block ends without an error.

    Readers see all of the file or nothing: a local file is synced and renamed, an object appears
    when its upload is complete. patient: whether that is tried again for minutes, since the file took long
    to make (see `patiently`). Raises JobError when the disk takes nothing more.
    """
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        with naming_disk(os.path.dirname(path)), _partial(Path(path)) as partial:
            yield str(partial)
            _sync(partial)
            partial.replace(path)
    else:
        with temporary_folder() as folder:
            partial = folder / name_of(path)
            yield str(partial)
            _try_again(lambda: fs.put_file(str(partial), path), WAITS if patient else ())


def new_array(path: str, dtype: type, shape: Sequence[int]) -> np.memmap:
    """Create the .npy file `path` and map it into memory, ready to be filled.

    Its blocks are reserved first: on a full disk that raises OSError, where a write to the mapped file
    would end the process with a bus error.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=tuple(shape))
    if hasattr(os, "posix_fallocate"):  # macOS has none: a disk that fills up ends the process there
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))
    return array


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def patiently(write: Callable[[], T]) -> T:
    """What `write` returns; tried again after each of WAITS where storage does not take it.

    For what hours of work hang on. What a wait does not mend is raised at once: a full disk, wrong input.
    """
    return _try_again(write, WAITS)


def _try_again(write: Callable[[], T], waits: Sequence[float]) -> T:
    for wait in waits:
        try:
            return write()
        except (InputError, JobError):
            raise
        except Exception as error:  # drivers of object stores raise errors of their own
            log.warning("Storage takes nothing; the next try is in %s s (%s)", wait, error)
            time.sleep(wait)
    return write()


def write_bytes(url: str, data: bytes) -> None:
    with committing(url) as path:
        Path(path).write_bytes(data)


def write_json(url: str, value: Any) -> None:
    write_bytes(url, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode())


def write_record(url: str, record: Mapping[str, Any]) -> None:
    """Write a record with its schema version."""
    write_json(url, with_schema_version(record))


def write_table(url: str, table: pa.Table) -> None:
    """Write a table as Parquet, its schema version among the metadata."""
    metadata = {**(table.schema.metadata or {}), KEY: str(SCHEMA_VERSION)}
    with committing(url) as path:
        pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")


def create_json(url: str, value: Any) -> bool:
    """Write `url` unless it exists; returns whether it was written. Of racing writers exactly one gets True.

    A hard link does it on local disks, If-None-Match on S3. Writers must write different values: an object
    that already holds `value` counts as written by this call, whose first request may have succeeded while
    its answer was lost.
    """
    fs, path = filesystem(url)
    data = json.dumps(value, indent=2, ensure_ascii=False).encode()
    try:
        if isinstance(fs, LocalFileSystem):
            _link_new(Path(path), data)
        else:
            fs.pipe_file(path, data, mode="create")
    except FileExistsError:
        return not isinstance(fs, LocalFileSystem) and read_bytes(url) == data
    return True


def _link_new(path: Path, data: bytes) -> None:
    with naming_disk(str(path.parent)), _partial(path) as partial:
        partial.write_bytes(data)
        _sync(partial)
        os.link(partial, path)


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """A name beside `path` that `sweep` knows, and that no disk finds too long; unused after the block."""
    check_way(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name[:NAME_KEPT]}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def copy(source: str, target: str) -> None:
    """Copy a file within one filesystem; a local one becomes a hard link where the disk allows it."""
    fs, path = filesystem(source)
    if not isinstance(fs, LocalFileSystem):
        fs.cp_file(path, filesystem(target)[1])
        return
    with committing(target) as partial:
        try:
            os.link(path, partial)
        except OSError:
            fs.cp_file(path, partial)


def remove(url: str) -> None:
    """Remove a file or a folder with all in it; of a link the link alone."""
    fs, path = filesystem(url)
    with naming_disk(os.path.dirname(path)):
        if isinstance(fs, LocalFileSystem) and os.path.islink(path):
            os.unlink(path)
        elif fs.exists(path):
            if isinstance(fs, LocalFileSystem):
                check_way(Path(path))
            fs.rm(path, recursive=True)


def check_way(path: Path) -> None:
    """Raise JobError where a link that another user made leads to a path.

    Who may write to a store could else have us overwrite and remove what lies anywhere on this machine.
    """
    for folder in path.parents:
        with suppress(FileNotFoundError):
            status = folder.lstat()
            if stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.geteuid()):
                raise JobError(
                    "What is written or removed must not lie behind a link of another user. Received "
                    f"{str(path)!r} behind {str(folder)!r} of user {status.st_uid}: make that yours."
                )


@contextmanager
def noting_death(url: str) -> Iterator[bool]:
    """Let a marker stand at `url` during the block; yield whether an earlier block died before its end.

    An exception is no death: the marker goes then too.
    """
    died_before = exists(url)
    write_bytes(url, b"")
    try:
        yield died_before
    finally:
        remove(url)


def check_writable(url: str, name: str) -> None:
    """Raise InputError when the folder `url`, the parameter called `name`, cannot be written to.

    JobError where that is the fault of its disk.
    """
    probe = join(url, f".probe.{uuid.uuid4().hex[:8]}.tmp")
    try:
        write_bytes(probe, b"")
        remove(probe)
    except JobError:
        raise
    except Exception as error:  # drivers of object stores raise errors of their own
        raise InputError(
            f"`{name}` must be a folder or bucket that can be written. Received: {url!r} ({error})."
        ) from error


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
