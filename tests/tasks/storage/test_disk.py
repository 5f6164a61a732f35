"""A disk that takes nothing more is told in one line, whoever finds it out."""

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from flows.cli import main
from tasks import storage
from tasks.errors import JobError
from tests.disks import mounted

FOUND_BY = {
    "the system": (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "is full: make room"),
    "a quota": (
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        "has no room left for this user: make room",
    ),
    "SQLite": (sqlite3.OperationalError("database or disk is full"), "is full: make room"),
    "TensorFlow": (RuntimeError("{{node save}} /x; No space left on device"), "is full: make room"),
    "HDF5": (RuntimeError("errno = 30, error message = 'Read-only file system'"), "can only be read: mount"),
}


@pytest.mark.parametrize("finder", FOUND_BY)
def test_a_disk_that_takes_no_more_is_told_in_one_line_that_names_its_folder(finder: str, tmp_path: Path):
    error, words = FOUND_BY[finder]
    with pytest.raises(JobError) as told, storage.committing(str(tmp_path / "rows" / "part")):
        raise ValueError("while writing") from error
    assert str(told.value).startswith(f"The disk of '{tmp_path / 'rows'}' {words}")
    assert not list((tmp_path / "rows").iterdir())
    with pytest.raises(JobError, match="TMPDIR may name another"), storage.temporary_folder() as folder:
        raise error
    assert not folder.exists()


def test_a_full_disk_that_ends_a_command_is_no_traceback(tmp_path: Path, monkeypatch, capsys):
    def begin() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))

    monkeypatch.setattr(main, "own_temporary_folder", begin)
    assert main.run(["models", "list"]) == 1
    assert capsys.readouterr().err == (
        f"darkroom: The disk of '{tmp_path}' is full: make room and run again "
        "(a retraining that has begun: with `--resume`).\n"
    )


def test_a_temporary_folder_with_too_little_room_is_told_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(tempfile, "tempdir", None)
    with mounted(tmp_path / "disk", size="64k") as disk:
        monkeypatch.setenv("TMPDIR", str(disk.folder))
        assert main.run(["models", "list"]) == 1
    assert f"The disk of '{disk.folder}' is full: make room (TMPDIR may name" in capsys.readouterr().err


def test_an_error_of_another_kind_stays_what_it_is(tmp_path: Path):
    with pytest.raises(PermissionError), storage.committing(str(tmp_path / "file")):
        raise PermissionError(errno.EACCES, "Permission denied")
    assert storage.disk_failure(ValueError("no number")) is None
