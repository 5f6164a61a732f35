"""Every file of a folder is listed, whatever its name, and read in order."""

import multiprocessing
import os
import tempfile
from collections import Counter
from pathlib import Path

import fsspec

from tasks.storage.folder import read_ahead
from tasks.storage.listing import FileEntry, walk


def test_walking_skips_hidden_files_and_marks_changes(tmp_path: Path):
    (tmp_path / "a" / ".git").mkdir(parents=True)
    for name in ("a/1.jpg", "a/.DS_Store", "a/.git/x", "2.jpg"):
        (tmp_path / name).write_bytes(b"x")
    first = {file.path: file for file in walk(str(tmp_path))}
    assert set(first) == {"a/1.jpg", "2.jpg"}
    os.utime(tmp_path / "2.jpg", (1, 1))
    second = {file.path: file for file in walk(str(tmp_path))}
    assert second["2.jpg"] != first["2.jpg"]
    assert second["a/1.jpg"] == first["a/1.jpg"]


def test_reading_ahead_keeps_order_and_hands_errors_over(tmp_path: Path):
    for number in range(200):
        if number != 100:
            (tmp_path / str(number)).write_bytes(str(number).encode())
    files = [FileEntry(str(number), 2**20, "") for number in range(200)]
    contents = list(read_ahead(str(tmp_path), files))
    assert isinstance(contents[100], FileNotFoundError)
    assert contents[:100] + contents[101:] == [str(n).encode() for n in range(200) if n != 100]


def test_a_file_that_has_grown_since_it_was_listed_fills_no_memory(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    files = list(walk(str(tmp_path)))
    with (tmp_path / "a.jpg").open("r+b") as file:
        file.truncate(2**40)  # with nothing in it, it takes no room on disk
    [error] = read_ahead(str(tmp_path), files, most=1000)
    assert isinstance(error, OSError)


def test_links_are_followed_once_and_change_with_what_they_point_to(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "real" / "1.jpg").write_bytes(b"x")
    (tmp_path / "root" / "sea").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "again").symlink_to(tmp_path / "root")
    [first] = [file for file in walk(str(tmp_path / "root")) if file.path == "sea/1.jpg"]
    os.utime(tmp_path / "real" / "1.jpg", (1, 1))
    [second] = [file for file in walk(str(tmp_path / "root")) if file.path == "sea/1.jpg"]
    assert first.mark != second.mark


def test_odd_names_are_read_also_those_that_are_not_utf8(tmp_path: Path):
    for name in (b"a::b.jpg", "fl\u00fc\u00df *?[1].jpg".encode(), b"caf\xe9.jpg", rb"caf\udce9.jpg"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    files = sorted(walk(str(tmp_path)), key=lambda file: file.path)
    contents = dict(zip((file.path for file in files), read_ahead(str(tmp_path), files), strict=True))
    assert contents["a::b.jpg"] == b"a::b.jpg"
    assert contents["fl\u00fc\u00df *?[1].jpg"] == "fl\u00fc\u00df *?[1].jpg".encode()
    assert contents["caf\\udce9.jpg"] == b"caf\xe9.jpg"
    assert contents["caf\\udc5cudce9.jpg"] == rb"caf\udce9.jpg"


def read_as_nobody(images: str, answer) -> None:
    if os.geteuid() == 0:
        os.setuid(65534)
    [error] = read_ahead(images, [FileEntry("secret.jpg", 1, "")])
    answer.put(type(error))


def test_a_file_that_may_not_be_read_is_an_error_of_its_own():
    with tempfile.TemporaryDirectory() as images:
        os.chmod(images, 0o755)
        Path(images, "secret.jpg").write_bytes(b"x")
        os.chmod(f"{images}/secret.jpg", 0)
        answer = multiprocessing.SimpleQueue()
        process = multiprocessing.get_context("fork").Process(target=read_as_nobody, args=(images, answer))
        process.start()
        assert answer.get() is PermissionError
        process.join()


def test_odd_entries_are_listed_and_do_not_stop_the_listing(tmp_path: Path):
    (tmp_path / "1.jpg").write_bytes(b"x")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "through").symlink_to("1.jpg/y")
    os.mkfifo(tmp_path / "pipe")
    files = sorted(walk(str(tmp_path)), key=lambda file: file.path)
    assert [file.path for file in files] == ["1.jpg", "loop", "pipe", "through"]
    contents = list(read_ahead(str(tmp_path), files))
    assert contents[0] == b"x"
    assert all(isinstance(content, OSError) for content in contents[1:])


def test_a_file_on_an_object_store_costs_one_request(bucket: str, requests: Counter[str]):
    contents = {"a.jpg": b"one", "b.jpg": b"", "c.jpg": b"three"}
    fsspec.filesystem("s3").pipe({f"{bucket}/images/{name}": data for name, data in contents.items()})
    files = [FileEntry(name, 1, "") for name in (*contents, "gone.jpg")]
    requests.clear()
    *read, gone = read_ahead(f"{bucket}/images", files)
    assert read == list(contents.values())
    assert isinstance(gone, FileNotFoundError)
    assert requests["get_object"] == len(files)
    assert requests["head_object"] <= 1  # of the empty one
