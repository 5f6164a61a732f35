"""Lists the files of a folder of images, local or remote; what it leaves out is counted."""

import errno
import os
from collections import deque
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.errors import InputError, JobError
from tasks.storage.left_out import LISTED_ALREADY, NAMELESS, UNREADABLE_FOLDER, LeftOut, why_left_out
from tasks.storage.names import escape
from tasks.storage.objects import exists, mark_of
from tasks.storage.urls import filesystem, name_of

# What is wrong with one folder; any other error is the disk's or the network's, and may pass.
FOLDER_ERRORS = {
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
}

Inode = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a folder: its path relative to that folder, its size, and a mark (etag or mtime).

    The mark changes when the file does. Of names that are not UTF-8 the path has what `escape` makes.
    """

    path: str
    bytes: int
    mark: str


def walk(images_url: str, left_out: LeftOut | None = None) -> Iterator[FileEntry]:
    """Yield every file of a folder and its subfolders, in any order.

    Left out, and counted in `left_out`, are hidden files and folders, those that other programs leave among
    pictures, folders that cannot be read, and links to folders that are listed under their own name.

    Raises InputError when `images_url` is not a folder or cannot be read, JobError when the storage fails.
    """
    left_out = LeftOut() if left_out is None else left_out
    check_folder(images_url)
    fs, base = filesystem(images_url)
    try:
        is_local = isinstance(fs, LocalFileSystem)
        yield from _walk_local(base, left_out) if is_local else _walk_remote(fs, base, left_out)
    except PermissionError as error:
        raise InputError(f"`images` must be readable. Received: {error}.") from error
    except OSError as error:
        raise JobError(f"`images` could not be listed: {error}. Run again when storage answers.") from error


def check_folder(images_url: str) -> None:
    """Raise InputError when `images_url` is not a folder."""
    fs, base = filesystem(images_url)
    if not fs.isdir(base):
        received = "a file" if fs.exists(base) else "a path that does not exist"
        raise InputError(f"`images` must be a folder of images. Received {received}: {images_url!r}.")


def check_store(store: str) -> None:
    """Raise InputError when there is no store, for commands that make none: it can only be a slip."""
    if not exists(store):
        raise InputError(
            "`store` must be a store that `darkroom retrain` made. Received a path that does not exist: "
            f"{store!r}."
        )


def _walk_local(base: str, left_out: LeftOut) -> Iterator[FileEntry]:
    """Real folders come before links, so that every file has its own name where it has one in here.

    What lies elsewhere is listed below each link that leads to it, but once only, so that loops end.
    """
    listed: set[Inode] = set()
    links: deque[str] = deque()
    yield from _files_below(base, "", listed, frozenset(), links.append, left_out)
    for link in sorted(links):
        visited: set[Inode] = set()
        inner_links = deque([link])
        while inner_links:
            folder = inner_links.popleft()
            yield from _files_below(base, folder, visited, listed, inner_links.append, left_out)


def _files_below(
    base: str,
    start: str,
    visited: set[Inode],
    elsewhere: Set[Inode],
    add_link: Callable[[str], None],
    left_out: LeftOut,
) -> Iterator[FileEntry]:
    """Yield the files of the folder `start` and of all real folders below; links to folders are handed over.

    start: relative to `base`, with a `/` at its end, or empty. visited: the folders listed, to which those
    of this call are added; neither they nor those of `elsewhere` are listed again.
    """
    folders = [start]
    while folders:
        folder = folders.pop()
        try:
            inode = _inode(os.stat(os.path.join(base, folder)))
            if inode in visited or inode in elsewhere:
                left_out.add(LISTED_ALREADY, escape(folder.rstrip("/")))
                continue
            visited.add(inode)
            with os.scandir(os.path.join(base, folder)) as entries:
                for entry in entries:
                    path = folder + entry.name
                    is_link, is_folder = _kind(entry)
                    if kind := why_left_out(entry.name, is_folder):
                        left_out.add(kind, escape(path))
                    elif is_folder:
                        (add_link if is_link else folders.append)(f"{path}/")
                    elif file := _file(entry, escape(path)):
                        yield file
        except OSError as error:
            if not folder or error.errno not in FOLDER_ERRORS:
                raise
            left_out.add(UNREADABLE_FOLDER, f"{escape(folder.rstrip('/'))}: {error.strerror}")


def _inode(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino


def _kind(entry: os.DirEntry) -> tuple[bool, bool]:
    """Whether an entry is a link, and whether it is a folder or leads to one."""
    with suppress(OSError):  # in a folder that can be listed but not entered
        return entry.is_symlink(), entry.is_dir()
    return False, False


def _file(entry: os.DirEntry, path: str) -> FileEntry | None:
    """The file that an entry leads to; a broken link itself; None if it was deleted.

    One that the disk tells nothing of is listed all the same: reading it fails, and says why.
    """
    status = _status(entry)
    if isinstance(status, OSError):
        return None if isinstance(status, FileNotFoundError) else FileEntry(path, 0, "")
    return FileEntry(path, status.st_size, format(status.st_mtime, ".6f"))


def _status(entry: os.DirEntry) -> os.stat_result | OSError:
    for follow_links in (True, False):
        try:
            status = entry.stat(follow_symlinks=follow_links)
        except OSError as error:
            last_error = error
        else:
            return status
    return last_error


def _walk_remote(fs: fsspec.AbstractFileSystem, base: str, left_out: LeftOut) -> Iterator[FileEntry]:
    fs.invalidate_cache()
    for folder, folders, files in fs.walk(base, detail=True, on_error="raise"):
        fs.invalidate_cache()  # else the driver keeps the list of every folder in memory and reuses it
        prefix = "".join(f"{part}/" for part in [folder[len(base) :].strip("/")] if part)
        for name in list(folders):
            if kind := why_left_out(name, True):
                left_out.add(kind, prefix + name)
                del folders[name]  # fs.walk then does not enter it
        if files.pop("", {}).get("type") == "directory":
            yield from _nameless(fs, base, folder, left_out)
        for name, info in files.items():
            if kind := why_left_out(name, False):
                left_out.add(kind, prefix + name)
            else:
                yield FileEntry(prefix + name, info["size"] or 0, mark_of(info))


def _nameless(
    fs: fsspec.AbstractFileSystem, base: str, folder: str, left_out: LeftOut
) -> Iterator[FileEntry]:
    """Yield the objects of a folder whose keys go on with a second `/`, which `fs.walk` passes over."""
    for key, info in fs.find(folder, prefix="/", detail=True).items():
        path = key[len(base) + 1 :]
        if key.endswith("/"):
            left_out.add(NAMELESS, path)
        elif kind := why_left_out(name_of(key), False):
            left_out.add(kind, path)
        else:
            yield FileEntry(path, info["size"] or 0, mark_of(info))
