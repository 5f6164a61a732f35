"""Every read and write: URLs joined here only, files committed whole or not at all."""

import errno
import hashlib
import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from tasks.errors import InputError, JobError
from tasks.storage.urls import filesystem, is_local, join, name_of

KEPT_SECONDS = 2 * 24 * 3600
DEAD_SECONDS = 3600  # no writer leaves a file untouched for so long


def mark_of(info: dict[str, Any]) -> str:
    """What changes when a file does: its etag, else its time of modification."""
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


def modified(url: str) -> datetime:
    fs, path = filesystem(url)
    when = fs.modified(path)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def names(url: str) -> list[str]:
    """Names of what lies directly in the folder `url`, sorted; empty when there is no such folder."""
    fs, path = filesystem(url)
    fs.invalidate_cache()
    try:
        found = fs.ls(path, detail=False)
    except FileNotFoundError:
        return []
    return sorted(name for name in map(name_of, found) if not name.startswith("."))


def size(url: str) -> int:
    """Bytes of a file."""
    fs, path = filesystem(url)
    return fs.size(path)


def read_bytes(url: str) -> bytes:
    """All of a file; a local one without fsspec, which costs three times the reading of a small one."""
    if "://" not in url:
        return Path(url).read_bytes()
    fs, path = filesystem(url)
    return fs.cat_file(path)


def read_json(url: str) -> Any:
    return json.loads(read_bytes(url))


def read_table(url: str, columns: list[str] | None = None) -> pa.Table:
    """All of a Parquet file, or some of its columns."""
    fs, path = filesystem(url)
    with fs.open(path, "rb") as file:
        return pq.read_table(file, columns=columns)


@contextmanager
def committing(url: str) -> Iterator[str]:
    """Yield a local path to write to; when the block ends well, what stands there becomes `url` at once.

    A local file is synced and renamed, an object is put in one request: a reader sees all of it or none.
    Raises JobError when the disk is full.
    """
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(Path(path))
        try:
            yield str(partial)
            _sync(partial)
            partial.replace(path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise JobError(f"The disk is full: make room and run again. Writing: {url!r}.") from error
            raise
        finally:
            partial.unlink(missing_ok=True)
    else:
        with tempfile.TemporaryDirectory(prefix="darkroom-") as folder_name:
            partial = Path(folder_name) / name_of(path)
            yield str(partial)
            fs.put_file(str(partial), path)


def new_array(path: str, dtype: type, shape: Sequence[int]) -> np.memmap:
    """A new .npy file mapped into memory, its blocks reserved: a full disk is an error, not a bus error."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=tuple(shape))
    if hasattr(os, "posix_fallocate"):  # macOS has none: a disk that fills up ends the process there
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))
    return array


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_bytes(url: str, data: bytes) -> None:
    with committing(url) as path:
        Path(path).write_bytes(data)


def write_json(url: str, value: Any) -> None:
    write_bytes(url, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode())


def write_table(url: str, table: pa.Table) -> None:
    with committing(url) as path:
        pq.write_table(table, path, compression="zstd")


def create_json(url: str, value: Any) -> bool:
    """Write `url` only if nothing stands there; of several racing writers exactly one gets True.

    A hard link does it on local disks, If-None-Match on S3. Writers must write different values: an object
    that holds `value` already was put by a request of ours whose answer got lost.
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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    try:
        partial.write_bytes(data)
        _sync(partial)
        os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def copy(source: str, target: str) -> None:
    """Make `target` the same file as `source`: a hard link where the disk allows, else a copy."""
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
    fs, path = filesystem(url)
    if fs.exists(path):
        fs.rm(path, recursive=True)


def local_copy(url: str) -> str:
    """A local path with the bytes of `url`, fit for memory-mapping; fetched once per machine.

    Copies that nobody has asked for in KEPT_SECONDS are removed; one that is still mapped stays readable.
    """
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        return path
    key = hashlib.sha256(f"{url} {mark_of(fs.info(path))}".encode()).hexdigest()[:32]
    cached = join(tempfile.gettempdir(), "darkroom-cache", f"{key}-{name_of(url)}")
    if not Path(cached).exists():
        _remove_older(Path(cached).parent, "*", KEPT_SECONDS)
        with committing(cached) as partial:
            fs.get_file(path, partial)
    with suppress(FileNotFoundError):
        os.utime(cached)
    return cached


def signed(url: str, seconds: int) -> str | None:
    """A web address that reads an object without further rights; None where the driver cannot make one."""
    fs, path = filesystem(url)
    try:
        return fs.sign(path, expiration=seconds)
    except Exception:  # drivers raise their own where credentials cannot sign
        return None


def sweep(url: str) -> None:
    """Remove what killed writers left half-written in a local folder."""
    if is_local(url):
        _remove_older(Path(filesystem(url)[1]), ".*.tmp", DEAD_SECONDS)


def _remove_older(folder: Path, pattern: str, seconds: float) -> None:
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > seconds:
                path.unlink()


def check_writable(url: str, name: str) -> None:
    """Raise InputError when nothing can be written below `url`, the parameter called `name`."""
    probe = join(url, f"probe-{uuid.uuid4().hex[:8]}")
    try:
        write_bytes(probe, b"")
        remove(probe)
    except Exception as error:  # drivers of object stores raise their own
        raise InputError(
            f"`{name}` must be a folder or bucket that can be written. Received: {url!r} ({error})."
        ) from error


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
