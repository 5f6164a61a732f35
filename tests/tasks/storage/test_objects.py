"""A file is there whole or not at all, and of racing writers one wins."""

import multiprocessing
import os
from pathlib import Path

import pytest

from tasks import storage
from tasks.errors import InputError


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path):
    url = str(tmp_path / "folder" / "file")
    storage.write_bytes(url, b"old")
    with pytest.raises(RuntimeError), storage.committing(url) as path:
        Path(path).write_bytes(b"half of the n")
        raise RuntimeError("killed")
    assert storage.read_bytes(url) == b"old"
    assert os.listdir(tmp_path / "folder") == ["file"]


def _race(url: str, me: int, start, wins) -> None:
    start.wait()
    if storage.create_json(url, {"winner": me}):
        wins.append(me)


def test_of_racing_creators_exactly_one_wins(tmp_path: Path):
    context = multiprocessing.get_context("forkserver")  # this process may have threads by now
    context.set_forkserver_preload([__name__])
    with context.Manager() as manager:
        for turn in range(5):
            url, wins, start = str(tmp_path / f"{turn}.json"), manager.list(), context.Event()
            racers = [context.Process(target=_race, args=(url, me, start, wins)) for me in range(6)]
            for racer in racers:
                racer.start()
            start.set()
            for racer in racers:
                racer.join()
            assert [storage.read_json(url)["winner"]] == list(wins)


def test_an_unknown_scheme_is_refused_in_words():
    with pytest.raises(InputError, match="scheme"):
        storage.exists("nonsense://bucket/x")


def test_a_name_as_long_as_the_disk_allows_can_be_written(tmp_path: Path):
    storage.write_bytes(str(tmp_path / ("ä" * 127)), b"x")
    assert os.listdir(tmp_path) == ["ä" * 127]
