"""The folder in the machine's temporary folder that is this user's alone, and what a command keeps in it."""

import fcntl
import os
import shutil
import socket
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.errors import InputError
from tasks.storage.disk import check_temporary_room

RAY_FOLDER = "RAY_TMPDIR"  # where Ray puts its sessions, in which every user of the machine may write
COMMAND = "command-"
SESSION_SECONDS = 3600  # for its logs to be looked at; and one that begins has no sockets yet
SOCKET_BYTES = 107 if sys.platform == "linux" else 103  # the most that the path of a socket may have
RAY_SOCKET = "/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/dash_MetricsHead"  # the longest
LONGEST_RAY_FOLDER = SOCKET_BYTES - len(RAY_SOCKET)  # bytes


def private_folder() -> Path:
    """The folder of this user in the temporary folder, which all users share: made where it is not there.

    Raises InputError for one that others own or may write to: what they planted there would be believed.
    """
    shared = Path(tempfile.gettempdir())
    name = f"darkroom-{os.geteuid()}"
    folder = shared.parent if shared.parent.name == name else shared / name  # of a command it is within
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    check_own(folder, "remove it, or set TMPDIR to a folder of your own")
    folder.chmod(0o700)  # a node that joins a cluster makes it for Ray's session
    return folder


def check_own(folder: Path, advice: str) -> None:
    """Raise InputError for what is no folder of this user, or one that others may write to.

    advice: what to do about it, in words.
    """
    status = folder.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or mode & 0o022:
        raise InputError(
            f"{str(folder)!r} must be a folder of yours that nobody else may write to. Received one of user "
            f"{status.st_uid} with mode {mode:o}: {advice}."
        )


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Let this process and those it starts have a temporary folder of their own, which ends with the block.

    What TensorFlow, Prefect, multiprocessing and we leave there when a process is killed goes with it; that
    of a killed command goes when the next begins. Ray's sessions lie in the private folder: that of a Ray
    which has ended, with its logs, goes with a command that begins SESSION_SECONDS after it began.
    Raises JobError where there is no room, also in place of what a lack of it came to within the block.
    """
    private = private_folder()
    for left in private.glob(f"{COMMAND}*"):
        with trying_flock(left) as is_free:
            if is_free:
                shutil.rmtree(left, ignore_errors=True)
    remove_dead_sessions(private / "ray")
    check_temporary_room()
    ray_folder = str(private)
    folder, lock = new_flocked(COMMAND, Path.mkdir)
    if len(os.fsencode(ray_folder)) > LONGEST_RAY_FOLDER:
        ray_folder = os.path.dirname(ray_folder)
    variables = {RAY_FOLDER: os.environ.get(RAY_FOLDER, ray_folder), "TMPDIR": str(folder)}
    try:
        with in_environment(variables):
            tempfile.tempdir = str(folder)
            yield
    except InputError:
        raise
    except Exception:  # where what ran had no room, whatever came of that
        check_temporary_room()
        raise
    finally:
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def in_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have variables in the environment while the block runs, of the processes that it starts too."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def remove_dead_sessions(folder: Path) -> None:
    """Remove the sessions of Rays that have ended from the folder where Ray puts them."""
    for session in folder.glob("session_2*"):  # not the link to the latest
        with suppress(FileNotFoundError):
            is_old = time.time() - session.lstat().st_mtime > SESSION_SECONDS
            if is_old and not any(map(is_listened_to, session.glob("sockets/*"))):
                shutil.rmtree(session, ignore_errors=True)


def is_listened_to(path: Path) -> bool:
    """Whether a process takes connections at a socket; what cannot be known counts as yes."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


def new_flocked(prefix: str, make: Callable[[Path], None]) -> tuple[Path, int]:
    """Make a file or folder in the private folder, which this process keeps locked with flock while it lives.

    Returns its path, and the descriptor that holds the lock.
    """
    folder = private_folder()
    while True:
        path = folder / f"{prefix}{uuid.uuid4().hex[:8]}"
        make(path)
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():  # else another process thought it dead before it was locked
                return path, lock
            os.close(lock)


def is_flocked(path: Path) -> bool:
    """Whether a process keeps a file or folder locked with flock."""
    with trying_flock(path) as is_free:
        return not is_free


@contextmanager
def trying_flock(path: Path) -> Iterator[bool]:
    """Keep a file or folder locked with flock while the block runs; yields whether no process did already."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield True
        return
    except OSError:  # a link, or not ours to open: whose it is we do not know
        yield False
        return
    try:
        is_free = False
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = True
        yield is_free
    finally:
        os.close(lock)
