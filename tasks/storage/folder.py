"""Reads the files of a folder of images ahead of their consumer."""

import os
from collections.abc import Iterable, Iterator

from tasks.ahead import map_ahead
from tasks.storage.answers import kept_images_url
from tasks.storage.listing import FileEntry
from tasks.storage.names import unescape
from tasks.storage.objects import mark_of
from tasks.storage.reading import MOST_BYTES, read_bytes
from tasks.storage.urls import filesystem, join

READERS = 8
AHEAD_FILES = 256
AHEAD_BYTES = 256 * 2**20
KEPT = "store:labels/images/"  # begins the path of an image that the store of a dataset keeps


def file_url(images_url: str, path: str, store: str | None = None) -> str:
    """The URL of a file by its path in a listing of the folder `images_url`.

    store: of a dataset, whose files are partly images that the store keeps, with paths that begin as KEPT.

    Raises InputError for one that leads out of it. (In object stores a key is no path: any name is plain.)
    """
    if store is not None and path.startswith(KEPT):
        return join(kept_images_url(store), path.removeprefix(KEPT))
    if "://" in images_url:
        return f"{images_url.rstrip('/')}/{path}"
    return join(images_url, *unescape(path).split("/"))


def find_file(images_url: str, path: str) -> FileEntry:
    """The file of a path below a folder; without size and mark where there is none: reading it says why."""
    try:
        url = file_url(images_url, path)
        if "://" not in url:
            status = os.stat(url)
            return FileEntry(path, status.st_size, format(status.st_mtime, ".6f"))
        fs, key = filesystem(url)
        info = fs.info(key)
        return FileEntry(path, info["size"] or 0, mark_of(info))
    except OSError:
        return FileEntry(path, 0, "")


def find_files(images_url: str, paths: Iterable[str]) -> Iterator[FileEntry]:
    """`find_file` for many paths, in order; threads ask storage for the next ones."""
    return map_ahead(lambda path: find_file(images_url, path), paths, READERS, AHEAD_FILES)


def read_ahead(
    images_url: str, files: Iterable[FileEntry], store: str | None = None, most: int = MOST_BYTES
) -> Iterator[bytes | OSError]:
    """Yield the bytes of each file, in order, or the error of reading it; threads read the next files.

    store: as in `file_url`. most: bytes that a file may have, which may be another by now than was listed.

    At most AHEAD_FILES files and about AHEAD_BYTES bytes wait in memory, however many files there are.
    """
    return map_ahead(
        lambda file: _bytes_or_error(images_url, file.path, store, most),
        files,
        READERS,
        AHEAD_FILES,
        weight=lambda file: file.bytes / AHEAD_BYTES,
    )


def _bytes_or_error(images_url: str, path: str, store: str | None, most: int) -> bytes | OSError:
    try:
        url = file_url(images_url, path, store)
        # Opening a pipe would wait for ever.
        if "://" not in url and not os.path.isfile(url) and os.path.exists(url):
            return OSError(f"not a regular file: {url!r}")
        return read_bytes(url, most)
    except OSError as error:
        return error
    except Exception as error:  # drivers of object stores raise errors of their own
        return OSError(str(error))
