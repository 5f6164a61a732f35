"""A file is there whole or not at all, and of racing writers one wins."""

import multiprocessing
import os
from pathlib import Path

import pytest

from tasks import storage
from tasks.errors import InputError, JobError


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have another user make a link")
def test_nothing_is_written_or_removed_behind_a_link_of_another_user(tmp_path: Path):
    """Whoever may write to a store could else have any folder of ours overwritten or emptied."""
    summary = storage.summary_url(str(tmp_path / "home"))
    storage.write_record(summary, {})
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "home")
    behind = storage.summary_url(str(link))
    storage.write_record(behind, {"ours": True})  # links of our own are meant
    os.lchown(link, 65_534, 65_534)
    attempts = (
        lambda: storage.write_record(behind, {}),
        lambda: storage.create_json(storage.join(str(link), "new.json"), {}),
        lambda: storage.remove(behind),
        lambda: storage.remove_folder(storage.join(str(link), "inner")),
    )
    storage.write_bytes(storage.join(str(tmp_path / "home"), "inner", "file"), b"")
    for attempt in attempts:
        with pytest.raises(JobError, match="link of another user"):
            attempt()
    assert storage.read_record(summary)["ours"]
    assert storage.names(str(tmp_path / "home")) == ["inner", "summary.json"]
