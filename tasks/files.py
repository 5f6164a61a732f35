"""What lies below a folder, local or remote: the list of its files, and their bytes read ahead."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks import storage
from tasks.errors import InputError

READERS = 8
AHEAD_FILES = 64
AHEAD_BYTES = 256 * 2**20


@dataclass(frozen=True)
class FileEntry:
    """One file below a root: path relative to it, size in bytes, modification mark (etag or mtime)."""

    path: str
    bytes: int
    mark: str


def walk(root: str) -> Iterator[FileEntry]:
    """Yield every file below `root`, hidden files and folders left out, in no promised order.

    Raises InputError when `root` is not a folder that can be read.
    """
    fs, base = storage.filesystem(root)
    if not fs.isdir(base):
        received = "a file" if fs.exists(base) else "a path that does not exist"
        raise InputError(f"`images` must be a folder of images. Received {received}: {root!r}.")
    try:
        yield from _walk_local(base) if isinstance(fs, LocalFileSystem) else _walk_remote(fs, base)
    except PermissionError as error:
        raise InputError(f"`images` must be readable, folder by folder. Received: {error}.") from error


def _walk_local(base: str) -> Iterator[FileEntry]:
    """Links are followed, each folder once; a name that is not UTF-8 is listed escaped, to be unreadable."""

    def refuse(error: OSError) -> None:
        raise error

    seen = set()
    for folder, folders, files in os.walk(base, followlinks=True, onerror=refuse):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                path = os.path.join(folder, name)
                status = os.stat(path) if os.path.exists(path) else os.lstat(path)
                shown = os.path.relpath(path, base).encode("utf-8", "backslashreplace").decode()
                yield FileEntry(shown, status.st_size, format(status.st_mtime, ".6f"))


def _walk_remote(fs: fsspec.AbstractFileSystem, base: str) -> Iterator[FileEntry]:
    for folder, folders, files in fs.walk(base, detail=True, on_error="raise"):
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
    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[tuple[int, Future[bytes | OSError]]] = deque()
        held = 0
        for file in files:
            while waiting and (len(waiting) == AHEAD_FILES or held + file.bytes > AHEAD_BYTES):
                size, future = waiting.popleft()
                yield future.result()
                held -= size
            waiting.append((file.bytes, pool.submit(_bytes_or_error, storage.join(root, file.path))))
            held += file.bytes
        for _, future in waiting:
            yield future.result()


def _bytes_or_error(url: str) -> bytes | OSError:
    try:
        return storage.read_bytes(url)
    except OSError as error:
        return error
    except Exception as error:  # drivers of object stores raise their own
        return OSError(str(error))
