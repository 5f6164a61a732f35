"""Local copies of remote files, and what killed writers left in local folders."""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from tasks.storage.objects import UNFINISHED, committing, mark_of
from tasks.storage.private import private_folder
from tasks.storage.urls import filesystem, is_local, join, name_of

KEPT_SECONDS = 2 * 24 * 3600  # how long a local copy outlives its last use
DEAD_SECONDS = 3600  # no writer leaves a file untouched for so long


def local_copy(url: str) -> str:
    """The path of a local file with the bytes of `url`, for memory-mapping; downloaded once per machine.

    Copies unused for KEPT_SECONDS are removed; a process that has mapped one can still read it. They lie
    where no other user can plant one.
    """
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        return path
    key = hashlib.sha256(f"{url} {mark_of(fs.info(path))}".encode()).hexdigest()[:32]
    cached_path = join(str(private_folder()), "cache", f"{key}-{name_of(url)}")
    if not Path(cached_path).exists():
        _remove_older(Path(cached_path).parent, "*", KEPT_SECONDS)
        with committing(cached_path) as partial:
            fs.get_file(path, partial)
    with suppress(FileNotFoundError):
        os.utime(cached_path)
    return cached_path


def sweep(url: str) -> None:
    """Remove the unfinished files that killed writers left in a local folder."""
    if is_local(url):
        _remove_older(Path(filesystem(url)[1]), UNFINISHED, DEAD_SECONDS)


def _remove_older(folder: Path, pattern: str, seconds: float) -> None:
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > seconds:
                path.unlink()
