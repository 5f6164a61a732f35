"""One writer at a time: a lock that lies beside what it guards, and that a dead run does not keep."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from tasks import storage
from tasks.errors import InputError, JobError

RENEW_SECONDS = 10.0
STALE_SECONDS = 3 * RENEW_SECONDS


class Lock:
    """A record of who holds `url`, renewed by a thread for as long as its holder lives."""

    def __init__(self, url: str):
        process = psutil.Process()
        self._url = url
        self._record: dict[str, Any] = {
            "holder": uuid.uuid4().hex,
            "host": socket.gethostname(),
            "process": process.pid,
            "process_started": process.create_time(),
            "renewed": 0,
        }
        self._released = threading.Event()
        self._lost = False

    def take(self, name: str) -> None:
        """Raise InputError when a living run holds the lock; one that died is put aside."""
        while not storage.create_json(self._url, self._record):
            found = self._read()
            if found and alive(self._url, found):
                raise InputError(
                    f"`{name}` must not be written by two runs at once. Received one that process "
                    f"{found['process']} on {found['host']} is writing: wait until it has ended."
                )
            storage.remove(self._url)

    def renew(self) -> None:
        """Write the record anew now and then, until released or until somebody else holds the lock."""
        while not self._released.wait(RENEW_SECONDS):
            with suppress(OSError):  # storage that is away for a moment; the next renewal may succeed
                if self._holder() != self._record["holder"]:
                    self._lost = True
                    return
                self._record["renewed"] += 1
                storage.write_json(self._url, self._record)

    def release(self) -> None:
        self._released.set()
        if self._holder() == self._record["holder"]:
            storage.remove(self._url)

    def check(self) -> None:
        """Raise JobError when another run has taken the lock, having thought this one dead."""
        if self._lost:
            raise JobError(f"Another run took over what this one was writing ({self._url}): run it again.")

    def _read(self) -> dict[str, Any] | None:
        with suppress(FileNotFoundError):
            return storage.read_json(self._url)
        return None

    def _holder(self) -> str | None:
        found = self._read()
        return found["holder"] if found else None


def alive(url: str, record: dict[str, Any]) -> bool:
    """Whether the holder lives: on this machine its process does, on another it renews its record.

    The record is watched, since the clocks of two machines need not agree.
    """
    if record["host"] == socket.gethostname():
        return same_process(record)
    deadline = time.monotonic() + STALE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(RENEW_SECONDS / 10)
        try:
            if storage.read_json(url) != record:
                return True
        except FileNotFoundError:
            return False
    return False


def same_process(record: dict[str, Any]) -> bool:
    try:
        process = psutil.Process(record["process"])
        dead = process.status() == psutil.STATUS_ZOMBIE
        return not dead and process.create_time() == record["process_started"]
    except psutil.NoSuchProcess:
        return False


@contextmanager
def locked(folder: str, name: str) -> Iterator[Lock]:
    """Hold the lock of a folder, the parameter called `name`, while the block runs."""
    lock = Lock(storage.join(storage.absolute(folder), "_lock.json"))
    lock.take(name)
    threading.Thread(target=lock.renew, daemon=True).start()
    try:
        yield lock
    finally:
        lock.release()
