"""Lets one run at a time write to a folder; the lock of a run that died is broken."""

import fcntl
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tasks.errors import InputError, JobError
from tasks.storage.objects import create_json, read_json, remove, write_json
from tasks.storage.runs import lock_url
from tasks.storage.urls import absolute

RENEW_SECONDS = 10.0
STALE_SECONDS = 3 * RENEW_SECONDS
SETTLING_SECONDS = 0.5


class Lock:
    """A lock file at `url` that names its holder; a thread renews it while the holder lives.

    Its entry `proof` is the path of a file on the holder's machine that the holder keeps locked with flock:
    the kernel unlocks it when the holder dies, so that others on that machine see this at once.
    """

    def __init__(self, url: str):
        self._url = url
        self._proof_file, proof_path = tempfile.mkstemp(prefix="darkroom-lock-")
        fcntl.flock(self._proof_file, fcntl.LOCK_EX)
        self._record: dict[str, Any] = {
            "holder": uuid.uuid4().hex,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "proof": proof_path,
            "renewed": 0,
        }
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._lost = False

    def acquire(self, name: str) -> None:
        """Take the lock of the folder that is the parameter `name`; InputError when a living run holds it."""
        while not create_json(self._url, self._record):
            record = self._read()
            if record and is_holder_alive(self._url, record):
                self._drop_proof()
                raise InputError(
                    f"`{name}` must not be written by two runs at once. Received one that process "
                    f"{record['process']} on {record['host']} is writing: wait until it has ended."
                )
            if record and self._read() == record:
                remove(self._url)
                # Another run may have seen the same dead lock: let it remove that one, not our new one.
                time.sleep(SETTLING_SECONDS)
        self._thread.start()

    def release(self) -> None:
        self._released.set()
        self._thread.join()
        if not self._lost and self._holds():
            remove(self._url)
        self._drop_proof()

    def check(self) -> None:
        """Raise JobError when another run has the lock, or may have, since this one could not renew it."""
        if self._lost:
            raise JobError(f"The lock {self._url!r} was lost to another run: run this one again.")

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._released.wait(RENEW_SECONDS):
            with suppress(Exception):  # drivers raise errors of their own while storage cannot be reached
                if not self._holds():
                    self._lost = True
                    return
                self._record["renewed"] += 1
                write_json(self._url, self._record)
                renewed = time.monotonic()
            if time.monotonic() - renewed > STALE_SECONDS:
                self._lost = True
                return

    def _holds(self) -> bool:
        record = self._read()
        return record is not None and record["holder"] == self._record["holder"]

    def _read(self) -> dict[str, Any] | None:
        with suppress(FileNotFoundError):
            return read_json(self._url)
        return None

    def _drop_proof(self) -> None:
        Path(self._record["proof"]).unlink(missing_ok=True)
        os.close(self._proof_file)


def is_holder_alive(url: str, record: dict[str, Any]) -> bool:
    """Whether the holder of the lock `url` lives; `record` is what the lock file says.

    A holder on this machine keeps its proof locked. One on another machine renews the lock file: watch it
    for up to STALE_SECONDS, since a time in it could not be compared (clocks of two machines may differ).
    """
    if record["host"] == socket.gethostname() and os.path.exists(record["proof"]):
        return is_flocked(record["proof"])
    deadline = time.monotonic() + STALE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(RENEW_SECONDS / 10)
        try:
            if read_json(url) != record:
                return True
        except FileNotFoundError:
            return False
    return False


def is_flocked(path: str) -> bool:
    """Whether a process keeps the file `path` locked; otherwise the file is removed."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    Path(path).unlink(missing_ok=True)
    return False


@contextmanager
def locked(folder: str, name: str) -> Iterator[Lock]:
    """Hold the lock of a folder, the parameter called `name`, while the block runs.

    Raises InputError when another run holds it.
    """
    lock = Lock(lock_url(absolute(folder)))
    lock.acquire(name)
    try:
        yield lock
    finally:
        lock.release()
