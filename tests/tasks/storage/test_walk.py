"""Nothing vanishes from a listing: it is listed, or counted among what was left out."""

import multiprocessing
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from tasks import storage
from tasks.errors import InputError
from tasks.storage import LeftOut, read_ahead, walk


def folder(place: Path, *paths: str) -> Path:
    for path in paths:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(path.encode())
    return place


def listed(images: Path | str) -> tuple[list[str], str]:
    left_out = LeftOut()
    return sorted(file.path for file in walk(str(images), left_out)), str(left_out)


def as_nobody(function: Callable, *arguments: object) -> object:
    """What a function returns in a process of an ordinary user, for whom permissions hold."""

    def answer() -> None:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        queue.put(function(*arguments))
        os._exit(0)  # what this process would do at its end was meant for its parent

    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=answer)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    return queue.get()


def listed_and_read(images: str) -> tuple[list[str], str, list[str]]:
    left_out = LeftOut()
    files = sorted(walk(images, left_out), key=lambda file: file.path)
    return [file.path for file in files], str(left_out), [str(data) for data in read_ahead(images, files)]


def test_what_may_not_be_read_is_listed_or_counted_and_stops_nothing():
    with tempfile.TemporaryDirectory() as place:
        images = folder(Path(place), "a/1.jpg", "no-entry/2.jpg", "no-entry/deep/3.jpg", "private/4.jpg")
        images.chmod(0o755)
        (images / "no-entry").chmod(0o444)
        (images / "private").chmod(0)
        paths, left_out, contents = as_nobody(listed_and_read, place)
        assert paths == ["a/1.jpg", "no-entry/2.jpg"]
        assert "Permission denied" in contents[1]
        assert "2 folders that cannot be read" in left_out
        assert "private: Permission denied" in left_out and "no-entry/deep: Permission denied" in left_out


def test_paths_beyond_the_systems_limit_are_listed_or_counted(tmp_path: Path):
    (tmp_path / "1.jpg").write_bytes(b"x")
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(20):
            os.mkdir("n" * 240)
            os.chdir("n" * 240)
            Path("2.jpg").write_bytes(b"x")
    finally:
        os.chdir(here)
    paths, left_out = listed(tmp_path)
    deepest = max(paths, key=len)
    assert len(paths) > 16
    assert "1 folders that cannot be read" in left_out and "File name too long" in left_out
    [content] = read_ahead(str(tmp_path), [storage.FileEntry(deepest, 1, "")])
    assert content == b"x" or "File name too long" in str(content)


def test_litter_of_other_programs_is_skipped_and_counted(tmp_path: Path):
    litter = ["@eaDir/1.jpg", "sea/#recycle/1.jpg", "$RECYCLE.BIN/1.jpg", "__MACOSX/sea/1.jpg", ".git/x"]
    litter += ["sea/Thumbs.db", "sea/1.jpg.json", "sea/1.XMP", "sea/1.aae", "sea/1.thm", "lost+found/x"]
    paths, left_out = listed(folder(tmp_path, "sea/1.jpg", *litter))
    assert paths == ["sea/1.jpg"]
    assert "10 side-cars and litter of other programs" in left_out
    assert "1 hidden (.git)" in left_out


def test_real_folders_come_before_links_whatever_the_order_on_disk(tmp_path: Path):
    images = folder(tmp_path / "in", "2026-11-26/1.jpg", "test/sea/2.jpg", ".data/forest/3.jpg")
    for link, target in {
        "latest": "2026-11-26",
        "a": "test",
        "val": "test",
        "forest": ".data/forest",
    }.items():
        (images / link).symlink_to(target)
    paths, left_out = listed(images)
    assert paths == ["2026-11-26/1.jpg", "forest/3.jpg", "test/sea/2.jpg"]
    assert "3 links to folders listed under their own name" in left_out


def test_what_lies_elsewhere_is_listed_below_each_link_and_loops_end(tmp_path: Path):
    folder(tmp_path / "elsewhere", "1.jpg", "deep/2.jpg")
    (tmp_path / "elsewhere/deep/up").symlink_to("..")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "in")
    for link in ("in/train/cat", "in/test/cat"):
        (tmp_path / link).parent.mkdir(parents=True)
        (tmp_path / link).symlink_to(tmp_path / "elsewhere")
    paths, _ = listed(tmp_path / "in")
    assert paths == [f"{split}/cat/{name}" for split in ("test", "train") for name in ("1.jpg", "deep/2.jpg")]


def test_every_key_of_a_bucket_is_listed_and_read_whatever_its_name(bucket: str):
    keys = ["1.jpg", "/2.jpg", "./3.jpg", "../4.jpg", "sea/../5.jpg", "sea//6.jpg", "//7.jpg", "./../8.jpg"]
    fs = fsspec.filesystem("s3")
    for key in [*keys, ".hidden/9.jpg", "empty/"]:
        fs.call_s3("put_object", Bucket="bucket", Key=f"photos/{key}", Body=key.encode())
    left_out = LeftOut()
    files = sorted(walk(f"{bucket}/photos", left_out), key=lambda file: file.path)
    assert [file.path for file in files] == sorted(keys)
    assert [data.decode() for data in read_ahead(f"{bucket}/photos", files)] == sorted(keys)
    assert str(left_out) == "1 hidden (.hidden)"


def test_a_folder_whose_own_path_is_not_utf8_is_refused_in_words_and_used_through_a_link(tmp_path: Path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder(odd, "1.jpg")
    with pytest.raises(InputError, match="UTF-8"):
        storage.absolute(str(odd))
    (tmp_path / "link").symlink_to(odd)
    assert listed(storage.absolute(str(tmp_path / "link")))[0] == ["1.jpg"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\0b", "x" * 256])
def test_no_name_leads_out_of_its_folder(name: str):
    with pytest.raises(InputError, match="plain name"):
        storage.version_url("store", name)
    with pytest.raises(InputError, match="plain name"):
        _ = storage.Run(name, "store").record_url
