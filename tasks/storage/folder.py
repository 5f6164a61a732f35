"""What lies below a folder, local or remote: the list of its files, and their bytes read ahead."""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks import storage
from tasks.errors import InputError

READERS = 8
AHEAD_FILES = 256
AHEAD_BYTES = 256 * 2**20
CHUNK = 16
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
    fs, base = storage.filesystem(root)
    if not fs.isdir(base):
        received = "a file" if fs.exists(base) else "a path that does not exist"
        raise InputError(f"`images` must be a folder of images. Received {received}: {root!r}.")
    try:
        found = _walk_local(base) if isinstance(fs, LocalFileSystem) else _walk_remote(fs, base)
        yield from (file for file in found if storage.name_of(file.path).lower() not in LITTER)
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
                yield FileEntry(
                    f"{prefix}/{name}" if prefix else name, info["size"] or 0, storage.mark_of(info)
                )


def read_ahead(root: str, files: Iterable[FileEntry]) -> Iterator[bytes | OSError]:
    """Yield the bytes of each file in order, or the error its reading met, while threads fetch the next.

    At most AHEAD_FILES files and about AHEAD_BYTES bytes are held, however many files there are.
    """
    return in_order(
        lambda file: _bytes_or_error(storage.join(root, file.path)),
        files,
        READERS,
        AHEAD_FILES,
        weight=lambda file: file.bytes / AHEAD_BYTES,
    )


def in_order(
    function: Callable[[T], R],
    items: Iterable[T],
    threads: int,
    most: int,
    weight: Callable[[T], float] = lambda _: 0.0,
) -> Iterator[R]:
    """Yield function(item) of each item in order, computed ahead by threads, or when asked for without any.

    What is held waiting is at most `most` results and weighs at most 1, or is one chunk's. Threads take
    chunks, since handing over costs as much as reading a small file.
    """

    if not threads:
        yield from map(function, items)
        return

    def compute(chunk: Sequence[T]) -> list[R]:
        return [function(item) for item in chunk]

    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[int, float, Future[list[R]]]] = deque()
        held, held_weight = 0, 0.0
        for chunk, heavy in _chunks(items, weight):
            while waiting and (held + len(chunk) > most or held_weight + heavy > 1):
                count, lighter, future = waiting.popleft()
                yield from future.result()
                held, held_weight = held - count, held_weight - lighter
            waiting.append((len(chunk), heavy, pool.submit(compute, chunk)))
            held, held_weight = held + len(chunk), held_weight + heavy
        while waiting:
            yield from waiting.popleft()[-1].result()


def _chunks(items: Iterable[T], weight: Callable[[T], float]) -> Iterator[tuple[list[T], float]]:
    """Cut items into runs of at most CHUNK that weigh at most 1 / CHUNK, or of one, with their weight."""
    chunk: list[T] = []
    held = 0.0
    for item in items:
        heavy = weight(item)
        if chunk and (len(chunk) == CHUNK or held + heavy > 1 / CHUNK):
            yield chunk, held
            chunk, held = [], 0.0
        chunk.append(item)
        held += heavy
    if chunk:
        yield chunk, held


def _bytes_or_error(url: str) -> bytes | OSError:
    try:
        if "://" not in url and not os.path.isfile(url) and os.path.exists(url):
            return OSError(f"not a regular file: {url!r}")
        return storage.read_bytes(url)
    except OSError as error:
        return error
    except Exception as error:  # drivers of object stores raise their own
        return OSError(str(error))
