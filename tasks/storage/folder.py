"""What lies below a folder, local or remote: the list of its files, and their bytes read ahead."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.ahead import in_order
from tasks.errors import InputError
from tasks.storage.objects import mark_of, read_bytes
from tasks.storage.urls import filesystem, join, name_of

READERS = 8
AHEAD_FILES = 256
AHEAD_BYTES = 256 * 2**20
LITTER = {"thumbs.db", "desktop.ini"}

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class FileEntry:
    """One file below a root: path relative to it, size in bytes, modification mark (etag or mtime)."""

    path: str
    bytes: int
    mark: str


def walk(root: str) -> Iterator[FileEntry]:
    """Yield every file below `root`, in no promised order, but for hidden ones and systems' litter.

    Raises InputError when `root` is not a folder that can be read.
    """
    fs, base = filesystem(root)
    if not fs.isdir(base):
        received = "a file" if fs.exists(base) else "a path that does not exist"
        raise InputError(f"`images` must be a folder of images. Received {received}: {root!r}.")
    try:
        found = _walk_local(base) if isinstance(fs, LocalFileSystem) else _walk_remote(fs, base)
        yield from (file for file in found if name_of(file.path).lower() not in LITTER)
    except PermissionError as error:
        raise InputError(f"`images` must be readable, folder by folder. Received: {error}.") from error


def _walk_local(base: str) -> Iterator[FileEntry]:
    """Links are followed, each folder once; a name that is not UTF-8 is listed escaped, to be unreadable."""
    seen, prefixes = set(), [""]
    while prefixes:
        prefix = prefixes.pop()
        try:
            status = os.stat(os.path.join(base, prefix))
        except FileNotFoundError:
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(os.path.join(base, prefix)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                found = _status(entry)
                if found and stat.S_ISDIR(found.st_mode):
                    prefixes.append(f"{prefix}{entry.name}/")
                elif found:
                    shown = f"{prefix}{entry.name}".encode("utf-8", "backslashreplace").decode()
                    yield FileEntry(shown, found.st_size, format(found.st_mtime, ".6f"))


def _status(entry: os.DirEntry) -> os.stat_result | None:
    """What an entry is, of a link that leads nowhere the link itself; None once it is gone."""
    for follow in (True, False):
        with suppress(OSError):
            return entry.stat(follow_symlinks=follow)
    return None


def _walk_remote(fs: fsspec.AbstractFileSystem, base: str) -> Iterator[FileEntry]:
    fs.invalidate_cache()
    for folder, folders, files in fs.walk(base, detail=True, on_error="raise"):
        fs.invalidate_cache()  # the driver would keep every folder's list in memory, and never ask again
        for hidden in [name for name in folders if name.startswith(".")]:
            del folders[hidden]
        prefix = folder[len(base) :].strip("/")
        for name, info in files.items():
            if name and not name.startswith("."):
                yield FileEntry(f"{prefix}/{name}" if prefix else name, info["size"] or 0, mark_of(info))


def read_ahead(root: str, files: Iterable[FileEntry]) -> Iterator[bytes | OSError]:
    """Yield the bytes of each file in order, or the error its reading met, while threads fetch the next.

    At most AHEAD_FILES files and about AHEAD_BYTES bytes are held, however many files there are.
    """
    return in_order(
        lambda file: _bytes_or_error(join(root, file.path)),
        files,
        READERS,
        AHEAD_FILES,
        weight=lambda file: file.bytes / AHEAD_BYTES,
    )


def _bytes_or_error(url: str) -> bytes | OSError:
    try:
        if "://" not in url and not os.path.isfile(url) and os.path.exists(url):
            return OSError(f"not a regular file: {url!r}")
        return read_bytes(url)
    except OSError as error:
        return error
    except Exception as error:  # drivers of object stores raise their own
        return OSError(str(error))
