"""One run at a time writes into an output, and a dead one does not keep it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks import storage
from tasks.errors import InputError, JobError
from tasks.storage import Run, lock
from tasks.storage.lock import at_work, locked

HOLD = """
import sys, time
from tasks.storage.lock import Lock
Lock(sys.argv[1]).acquire("output")
print(flush=True)
time.sleep(99)
"""


def test_a_second_run_is_refused_while_the_first_lives_and_let_in_when_it_is_killed(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "_lock.json")]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    holder.stdout.readline()
    with pytest.raises(InputError, match=f"process {holder.pid}"), locked(str(tmp_path), "output"):
        pass
    holder.kill()
    holder.wait()
    with locked(str(tmp_path), "output"):
        assert (tmp_path / "_lock.json").exists()
    assert not (tmp_path / "_lock.json").exists()


def test_a_lock_of_another_machine_counts_as_long_as_it_is_renewed(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.3)
    with locked(str(tmp_path), "output") as first_lock:
        monkeypatch.setattr(lock.socket, "gethostname", lambda: "elsewhere")
        with pytest.raises(InputError, match="two runs"), locked(str(tmp_path), "output"):
            pass
        first_lock._released.set()
        with locked(str(tmp_path), "output"):
            assert storage.read_json(str(tmp_path / "_lock.json"))["host"] == "elsewhere"


def test_a_run_that_was_thought_dead_notices(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.05)
    with locked(str(tmp_path), "output") as first_lock:
        while first_lock._thread.is_alive():  # it may be between reading the lock and renewing it
            storage.write_json(str(tmp_path / "_lock.json"), {"holder": "another"})
            first_lock._thread.join(0.2)
        with pytest.raises(JobError, match="lost to another run"):
            first_lock.check()
    assert (tmp_path / "_lock.json").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"host": 1, "proof": ["x"]}'])
def test_an_empty_or_strange_lock_is_put_aside_once_nobody_renews_it(
    tmp_path: Path, monkeypatch, content: bytes
):
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.1)
    (tmp_path / "_lock.json").write_bytes(content)
    with locked(str(tmp_path), "output"):
        assert storage.read_json(str(tmp_path / "_lock.json"))["holder"]
    assert not (tmp_path / "_lock.json").exists()


def test_a_lock_cannot_name_a_file_of_others_as_its_proof(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.1)
    treasure = tmp_path / "treasure"
    treasure.write_bytes(b"x")
    record = {"holder": "x", "host": lock.socket.gethostname(), "process": 1, "proof": str(treasure)}
    storage.write_json(str(tmp_path / "_lock.json"), record)
    with locked(str(tmp_path), "output"):
        pass
    assert treasure.exists()


def test_a_run_is_resumed_by_one_process_at_a_time_but_after_a_killed_one(tmp_path: Path):
    run = Run("2026-11-22T03-00-00-abcd", str(tmp_path))
    command = [sys.executable, "-c", HOLD, storage.lock_url(run.folder_url)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    holder.stdout.readline()
    with pytest.raises(InputError) as refusal, at_work(run):
        pass
    since = storage.read_json(storage.lock_url(run.folder_url))["since"]
    [line] = str(refusal.value).splitlines()
    for words in (f"process {holder.pid} on {lock.socket.gethostname()}", since, "`resume`", "or end it"):
        assert words in line
    holder.kill()
    holder.wait()
    for _ in range(2):
        assert storage.holder_of(run.folder_url) is None  # who only looks leaves it as it is
    with at_work(run):
        assert storage.holder_of(run.folder_url)
    assert not Path(run.folder_url).exists()


def test_a_run_keeps_its_lock_while_storage_is_away(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.06)
    attempts = []

    def unreachable(url: str, _: int) -> bytes:
        attempts.append(url)
        raise OSError("connection refused")

    with locked(str(tmp_path), "output") as held_lock:
        with monkeypatch.context() as outage:
            outage.setattr(lock, "read_bytes", unreachable)
            while len(attempts) < 10 and held_lock._thread.is_alive():
                held_lock._released.wait(0.01)
        held_lock.check()
        renewed = storage.read_json(str(tmp_path / "_lock.json"))["renewed"]
        while storage.read_json(str(tmp_path / "_lock.json"))["renewed"] <= renewed:
            held_lock._released.wait(0.01)


def test_a_run_begins_when_clean_has_ended(tmp_path: Path, monkeypatch):
    run = Run("2026-11-22T03-00-00-abcd", str(tmp_path))
    with locked(str(tmp_path), "store"):
        monkeypatch.setattr(lock, "REMOVAL_SECONDS", 0.0)
        with pytest.raises(JobError, match="when `darkroom clean` has ended"), at_work(run):
            pass
    with at_work(run):
        pass
