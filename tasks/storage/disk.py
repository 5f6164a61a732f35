"""A disk that takes nothing more, whoever finds that out: one line names the folder and says what to do."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import JobError

STATES = {
    errno.ENOSPC: "is full: make room",
    errno.EDQUOT: "has no room left for this user: make room, or ask for a larger quota",
    errno.EROFS: "can only be read: mount it to be written to",
}
LEAST_TEMPORARY_BYTES = 32 << 20
OTHERWISE = " (TMPDIR may name another folder)"
WORDS = {os.strerror(number): number for number in STATES} | {  # SQLite has words of its own
    "database or disk is full": errno.ENOSPC,
    "attempt to write a readonly database": errno.EROFS,
}


@contextmanager
def naming_disk(folder: str, otherwise: str = "") -> Iterator[None]:
    """Raise JobError where the block fails since the disk of a folder takes nothing more.

    otherwise: what else there is to do about it, in words.
    """
    try:
        yield
    except JobError:
        raise
    except Exception as error:  # libraries raise errors of their own
        if number := number_of(error):
            raise JobError(_line(folder, number, otherwise)) from error
        raise


def check_temporary_room() -> None:
    """Raise JobError where the temporary folder has too little room for anything to be started.

    Prefect and Ray would end without a word, for that goes into logs that lie there.
    """
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < LEAST_TEMPORARY_BYTES:
        raise JobError(_line(folder, errno.ENOSPC, OTHERWISE))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder in the temporary folder that ends with the block. Raises JobError where its disk is full."""
    with (
        naming_disk(tempfile.gettempdir(), OTHERWISE),
        tempfile.TemporaryDirectory(prefix="darkroom-") as folder,
    ):
        yield Path(folder)


def disk_failure(error: BaseException) -> JobError | None:
    """What to say of an error that came of a disk that takes nothing more; None where it did not."""
    if not (number := number_of(error)):
        return None
    files = (getattr(cause, "filename", None) for cause in _causes(error))
    return JobError(_line(next(filter(None, files), ""), number))


def number_of(error: BaseException) -> int | None:
    """Which of STATES an error came of; what libraries and other processes say of it counts too."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in STATES:
            return cause.errno
        text = str(cause)
        if numbers := [number for words, number in WORDS.items() if words in text]:
            return numbers[0]
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it came of, and so on."""
    while error:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _line(folder: str, number: int, otherwise: str = "") -> str:
    disk = f"The disk of {folder!r}" if folder else "A disk"
    what = f"{STATES[number]}{otherwise} and run again"
    return f"{disk} {what} (a retraining that has begun: with `--resume`)."
