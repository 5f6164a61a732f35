"""One writer at a time: a lock that lies beside what it guards, and that a dead run does not keep."""

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
from tasks.storage.urls import absolute, join

RENEW_SECONDS = 10.0
STALE_SECONDS = 3 * RENEW_SECONDS
SETTLING_SECONDS = 0.5


class Lock:
    """A record of who holds `url`, renewed by a thread for as long as its holder lives.

    `proof` is a file of this machine that the holder keeps locked: the kernel lets go when it dies.
    """

    def __init__(self, url: str):
        self._url = url
        self._proof, proof = tempfile.mkstemp(prefix="darkroom-lock-")
        fcntl.flock(self._proof, fcntl.LOCK_EX)
        self._record: dict[str, Any] = {
            "holder": uuid.uuid4().hex,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "proof": proof,
            "renewed": 0,
        }
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._lost = False

    def take(self, name: str) -> None:
        """Raise InputError when a living run holds the lock; one that died is put aside."""
        while not create_json(self._url, self._record):
            found = self._read()
            if found and alive(self._url, found):
                self._drop_proof()
                raise InputError(
                    f"`{name}` must not be written by two runs at once. Received one that process "
                    f"{found['process']} on {found['host']} is writing: wait until it has ended."
                )
            if found and self._read() == found:
                remove(self._url)
                time.sleep(SETTLING_SECONDS)  # whoever saw the same dead lock has removed it by now
        self._thread.start()

    def release(self) -> None:
        self._released.set()
        self._thread.join()
        if not self._lost and self._holds():
            remove(self._url)
        self._drop_proof()

    def check(self) -> None:
        """Raise JobError when another run has taken the lock, or may have, thinking this one dead."""
        if self._lost:
            raise JobError(f"The lock {self._url!r} was lost to another run: run this one again.")

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._released.wait(RENEW_SECONDS):
            with suppress(Exception):  # storage that is away for a moment raises whatever its driver does
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
        found = self._read()
        return found is not None and found["holder"] == self._record["holder"]

    def _read(self) -> dict[str, Any] | None:
        with suppress(FileNotFoundError):
            return read_json(self._url)
        return None

    def _drop_proof(self) -> None:
        Path(self._record["proof"]).unlink(missing_ok=True)
        os.close(self._proof)


def alive(url: str, record: dict[str, Any]) -> bool:
    """Whether the holder lives: on this machine it keeps its proof locked, on another it renews its record.

    The record is watched, since the clocks of two machines need not agree.
    """
    if record["host"] == socket.gethostname() and os.path.exists(record["proof"]):
        return kept_locked(record["proof"])
    deadline = time.monotonic() + STALE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(RENEW_SECONDS / 10)
        try:
            if read_json(url) != record:
                return True
        except FileNotFoundError:
            return False
    return False


def kept_locked(path: str) -> bool:
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
    """Hold the lock of a folder, the parameter called `name`, while the block runs."""
    lock = Lock(join(absolute(folder), "_lock.json"))
    lock.take(name)
    try:
        yield lock
    finally:
        lock.release()
