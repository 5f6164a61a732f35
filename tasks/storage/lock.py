"""Lets one run at a time write to a folder; the lock of a run that died is broken.

A run holds the lock of its own folder from its beginning to its end, and `clean` that of the store: so each
knows of the other.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.errors import InputError, JobError
from tasks.storage.objects import create_json, names, remove, write_json
from tasks.storage.private import is_flocked, new_flocked, private_folder
from tasks.storage.reading import MOST_JSON, read_bytes
from tasks.storage.runs import LEASE, Run, lease_url, lock_url
from tasks.storage.urls import absolute, is_local, join

RENEW_SECONDS = 10.0
STALE_SECONDS = 3 * RENEW_SECONDS
SETTLING_SECONDS = 0.5
REMOVAL_SECONDS = 600.0  # how long a run waits for `clean`
PROOF = "lock-"

log = logging.getLogger("darkroom")


class Lock:
    """A lock file at `url` that names its holder; a thread renews it while the holder lives.

    Its entry `proof` is the path of a file on the holder's machine that the holder keeps locked with flock:
    the kernel unlocks it when the holder dies, so that others on that machine see this at once.
    """

    def __init__(self, url: str):
        self._url = url
        proof, self._proof_file = new_flocked(PROOF, Path.touch)
        self._record: dict[str, Any] = {
            "holder": uuid.uuid4().hex,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "proof": str(proof),
            "renewed": 0,
        }
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._lost = False

    def acquire(self, name: str) -> None:
        """Take the lock of the folder that is the parameter `name`; InputError when a living run holds it.

        A lock file that is empty or strange counts as that of a dead run, unless someone goes on writing it.
        """
        while not create_json(self._url, self._record):
            content = _content(self._url)
            if content is not None and is_holder_alive(self._url, content):
                self._drop_proof()
                folder = self._url.rpartition("/")[0]
                raise InputError(
                    f"`{name}` must not be written by two runs at once. Received {folder!r}, held by "
                    f"{holder_in_words(content)}: wait until that has ended, or end it."
                )
            if content is not None and _content(self._url) == content:
                log.warning("The lock of a run that died is put aside: %s", self._url)
                remove(self._url)
                forget_proof(content)
                # Another run may have seen the same dead lock: let it remove that one, not our new one.
                time.sleep(SETTLING_SECONDS)
        self._thread.start()

    def release(self) -> None:
        self._released.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(Exception):  # the work is done; a lock that storage keeps is soon that of a dead run
            if not self._lost and self._holds():
                remove(self._url)
        self._drop_proof()

    def check(self) -> None:
        """Raise JobError when another run has the lock."""
        if self._lost:
            raise JobError(f"The lock {self._url!r} was lost to another run: run this one again.")

    def _renew(self) -> None:
        """Renew the lock file now and then. While storage cannot be reached nobody can take it either."""
        while not self._released.wait(RENEW_SECONDS):
            with suppress(Exception):  # drivers raise errors of their own
                if not self._holds():
                    self._lost = True
                    return
                self._record["renewed"] += 1
                write_json(self._url, self._record)

    def _holds(self) -> bool:
        content = _content(self._url)
        return content is not None and record_of(content).get("holder") == self._record["holder"]

    def _drop_proof(self) -> None:
        Path(self._record["proof"]).unlink(missing_ok=True)
        os.close(self._proof_file)


def _content(url: str) -> bytes | None:
    try:
        return read_bytes(url, MOST_JSON)
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise InputError(f"A lock must be a file. Received a folder: {url!r}: move it away.") from error


def record_of(content: bytes) -> dict[str, Any]:
    """What a lock file says; nothing where it is empty or strange."""
    with suppress(ValueError):
        if isinstance(record := json.loads(content), dict):
            return record
    return {}


def holder_in_words(content: bytes) -> str:
    record = record_of(content)
    since = record.get("since", "a time unknown")
    return f"process {record.get('process')} on {record.get('host')} since {since}"


def holder_of(folder: str) -> str | None:
    """Who lives and holds the lock of a folder, in words; None where nobody does."""
    url = lock_url(absolute(folder))
    content = _content(url)
    return holder_in_words(content) if content is not None and is_holder_alive(url, content) else None


def is_holder_alive(url: str, content: bytes) -> bool:
    """Whether the holder of the lock `url` lives; `content` is that of the lock file.

    A holder on this machine keeps its proof locked. One on another machine renews the lock file: watch it
    for up to STALE_SECONDS, since a time in it could not be compared (clocks of two machines may differ).
    """
    record = record_of(content)
    if record.get("host") == socket.gethostname() and is_proof(record.get("proof")):
        return is_flocked(Path(record["proof"]))
    deadline = time.monotonic() + STALE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(RENEW_SECONDS / 10)
        if (content_now := _content(url)) != content:
            return content_now is not None
    return False


def is_proof(path: Any) -> bool:
    """Whether a path can be that of a proof. A lock file may name any other, which must not be touched."""
    if not isinstance(path, str) or not os.path.isfile(path) or os.path.islink(path):
        return False
    folder, name = os.path.split(path)
    return folder == str(private_folder()) and name.startswith(PROOF)


def forget_proof(content: bytes) -> None:
    """Remove the proof of a dead holder whose lock is gone."""
    record = record_of(content)
    if record.get("host") == socket.gethostname() and is_proof(record.get("proof")):
        Path(record["proof"]).unlink(missing_ok=True)


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


@contextmanager
def at_work(run: Run) -> Iterator[Lock]:
    """Hold the lock of a run while the block runs; begin when nobody removes from the run's store.

    `clean` removes no dataset that a run at work may use. Raises InputError when another process works on the
    run, and JobError when `clean` does not end within REMOVAL_SECONDS.
    """
    try:
        with locked(run.folder_url, "resume") as lock:
            wait_until_free(run.store)
            yield lock
    finally:
        if is_local(run.folder_url):
            with suppress(OSError):  # a run that has come to nothing leaves nothing
                os.rmdir(run.folder_url)


@contextmanager
def leased(version_url: str, store: str) -> Iterator[None]:
    """Say while the block runs that a version is read, so that `clean` leaves it; any number may at once.

    The block begins when nobody removes from the store. A store that can only be read holds no leases.
    """
    lease = Lock(lease_url(version_url, uuid.uuid4().hex))
    try:
        lease.acquire("model")
    except Exception as error:  # drivers of object stores raise errors of their own
        log.warning(
            "`clean` is not told that %s is read: the store cannot be written (%s)", version_url, error
        )
    try:
        wait_until_free(store)
        yield
    finally:
        lease.release()


def is_leased(version_url: str) -> bool:
    """Whether a living process reads a version."""
    urls = [join(version_url, name) for name in names(version_url) if name.startswith(LEASE)]
    contents = [(url, _content(url)) for url in urls]
    return any(content is not None and is_holder_alive(url, content) for url, content in contents)


def wait_until_free(store: str) -> None:
    """Wait while `clean` removes from a store."""
    deadline, holder_before = time.monotonic() + REMOVAL_SECONDS, None
    while holder := holder_of(store):
        if time.monotonic() > deadline:
            raise JobError(
                f"A run begins when `darkroom clean` has ended. Received {store!r}, held by {holder}: "
                "end that and run again."
            )
        if holder != holder_before:
            log.info("Waiting until `darkroom clean` has ended: %s is held by %s", store, holder)
        holder_before = holder
        time.sleep(1)
