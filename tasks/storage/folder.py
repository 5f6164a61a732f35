"""Lists the files of a folder of images, local or remote, and reads them ahead of their consumer."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.ahead import map_ahead
from tasks.errors import InputError
from tasks.storage.objects import mark_of, read_bytes
from tasks.storage.urls import filesystem, join, name_of

READERS = 8
AHEAD_FILES = 256
AHEAD_BYTES = 256 * 2**20
LITTER = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class FileEntry:
    """A file of a folder: its path relative to that folder, its size, and a mark (etag or mtime).

    The mark changes when the file does.
    """

    path: str
    bytes: int
    mark: str


def walk(images_url: str) -> Iterator[FileEntry]:
    """Yield every file of a folder and its subfolders, in any order.

    Hidden files and folders are skipped, and the files that Windows leaves in folders of pictures. Raises
    InputError when `images_url` is not a folder or cannot be read.
    """
    fs, base = filesystem(images_url)
    if not fs.isdir(base):
        received = "a file" if fs.exists(base) else "a path that does not exist"
        raise InputError(f"`images` must be a folder of images. Received {received}: {images_url!r}.")
    try:
        files = _walk_local(base) if isinstance(fs, LocalFileSystem) else _walk_remote(fs, base)
        yield from (file for file in files if name_of(file.path).lower() not in LITTER)
    except PermissionError as error:
        raise InputError(f"`images` must be readable, folder by folder. Received: {error}.") from error


def _walk_local(base: str) -> Iterator[FileEntry]:
    """Follow links, and visit each folder once.

    A name that is not UTF-8 is listed with its bytes escaped. No file has that name, so reading it fails,
    and the file becomes one bad row instead of an error of the whole run.
    """
    visited, prefixes = set(), [""]
    while prefixes:
        prefix = prefixes.pop()
        try:
            status = os.stat(os.path.join(base, prefix))
        except FileNotFoundError:
            continue
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        with os.scandir(os.path.join(base, prefix)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                entry_status = _status(entry)
                if entry_status and stat.S_ISDIR(entry_status.st_mode):
                    prefixes.append(f"{prefix}{entry.name}/")
                elif entry_status:
                    path = f"{prefix}{entry.name}".encode("utf-8", "backslashreplace").decode()
                    yield FileEntry(path, entry_status.st_size, format(entry_status.st_mtime, ".6f"))


def _status(entry: os.DirEntry) -> os.stat_result | None:
    """The status of the file that an entry leads to; of a broken link, its own; None if it was deleted."""
    for follow_links in (True, False):
        with suppress(OSError):
            return entry.stat(follow_symlinks=follow_links)
    return None


def _walk_remote(fs: fsspec.AbstractFileSystem, base: str) -> Iterator[FileEntry]:
    fs.invalidate_cache()
    for folder, folders, files in fs.walk(base, detail=True, on_error="raise"):
        fs.invalidate_cache()  # else the driver keeps the list of every folder in memory and reuses it
        for hidden in [name for name in folders if name.startswith(".")]:
            del folders[hidden]  # fs.walk then does not enter it
        prefix = folder[len(base) :].strip("/")
        for name, info in files.items():
            if name and not name.startswith("."):
                yield FileEntry(f"{prefix}/{name}" if prefix else name, info["size"] or 0, mark_of(info))


def read_ahead(images_url: str, files: Iterable[FileEntry]) -> Iterator[bytes | OSError]:
    """Yield the bytes of each file, in order, or the error of reading it; threads read the next files.

    At most AHEAD_FILES files and about AHEAD_BYTES bytes wait in memory, however many files there are.
    """
    return map_ahead(
        lambda file: _bytes_or_error(join(images_url, file.path)),
        files,
        READERS,
        AHEAD_FILES,
        weight=lambda file: file.bytes / AHEAD_BYTES,
    )


def _bytes_or_error(url: str) -> bytes | OSError:
    try:
        # Opening a pipe would wait for ever.
        if "://" not in url and not os.path.isfile(url) and os.path.exists(url):
            return OSError(f"not a regular file: {url!r}")
        return read_bytes(url)
    except OSError as error:
        return error
    except Exception as error:  # drivers of object stores raise errors of their own
        return OSError(str(error))
