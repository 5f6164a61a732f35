"""A dataset, once committed, never changes: files that can be read again make another one."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks import storage
from tasks.dataset.attempts import unreadable_files
from tasks.dataset.manifest import list_images
from tasks.dataset.parts import decode_part, plan_parts
from tasks.dataset.records import Dataset
from tests.tasks.dataset.test_parts import SIZE, decode_all

Breaking = Callable[[bool], None]


@pytest.fixture
def images(sample: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample, tmp_path / "images"))


@pytest.fixture
def break_file(images: Path, monkeypatch: pytest.MonkeyPatch) -> Breaking:
    """Makes one file of the images unreadable, or readable again."""
    file = str(max((images / "seg_train/seg_train/sea").iterdir()))
    is_broken = False

    def read_bytes(url: str, _: int) -> bytes:
        if is_broken and url == file:
            raise PermissionError(13, "Permission denied", url)
        return Path(url).read_bytes()

    def set_broken(broken: bool) -> None:
        nonlocal is_broken
        is_broken = broken

    monkeypatch.setattr("tasks.storage.folder.read_bytes", read_bytes)
    return set_broken


def contents(dataset: Dataset) -> dict[str, str]:
    """The digest of each file of a dataset but its marker, which tells when it was committed."""
    paths = [path for path in Path(dataset.url).rglob("*") if path.is_file() and path.name != "_SUCCESS"]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_a_committed_dataset_never_changes_and_files_that_read_again_make_another(
    images: Path, store: str, break_file: Breaking
):
    break_file(True)
    first = decode_all(images, store)
    [path] = unreadable_files(first.url)
    before = contents(first)
    still_unreadable = decode_all(images, store)
    assert (still_unreadable.fingerprint, still_unreadable.decoded) == (first.fingerprint, 0)

    break_file(False)
    second = decode_all(images, store)
    assert second.fingerprint != first.fingerprint
    assert (second.bad, unreadable_files(second.url)) == (first.bad - 1, {})
    assert path in second.split("train", "val").paths
    third = decode_all(images, store)
    assert (third.fingerprint, third.decoded) == (second.fingerprint, 0)
    assert contents(first) == before


def test_a_resumed_run_keeps_the_dataset_it_began_with(images: Path, store: str, break_file: Breaking):
    break_file(True)
    first = decode_all(images, store)
    before = contents(first)
    break_file(False)
    decode_all(images, store)
    resumed = decode_all(images, store, dataset_begun=first.fingerprint)
    assert (resumed.fingerprint, resumed.bad, resumed.decoded) == (first.fingerprint, first.bad, 0)
    assert contents(first) == before


@pytest.mark.parametrize(
    ("lost", "remains"),
    [
        ("_SUCCESS", b""),
        ("manifest.parquet", b"PAR1"),
        ("index.parquet", b""),
        ("shards/part-00000.npy", None),
        ("shards/part-00000.parquet", None),
    ],
)
def test_what_was_lost_of_a_dataset_is_made_again_as_it_was(
    images: Path, store: str, break_file: Breaking, lost: str, remains: bytes | None
):
    break_file(True)
    first = decode_all(images, store)
    before = contents(first)
    break_file(False)
    decode_all(images, store)
    path = Path(first.url, lost)
    path.unlink()
    if remains is not None:
        path.write_bytes(remains)
    assert decode_all(images, store, dataset_begun=first.fingerprint).fingerprint == first.fingerprint
    assert contents(first) == before


def test_a_dataset_that_another_run_has_committed_is_not_changed_by_one_at_work(
    images: Path, store: str, break_file: Breaking
):
    plan = plan_parts(list_images.fn(str(images), store, SIZE, 0.2))
    break_file(True)
    first = decode_all(images, store)
    before = contents(first)
    break_file(False)
    assert not any(decode_part.fn(part).decoded for part in plan)
    assert contents(first) == before


def test_a_file_that_cannot_be_read_is_tried_again_until_its_dataset_is_committed(
    images: Path, store: str, break_file: Breaking
):
    break_file(True)
    plan = plan_parts(list_images.fn(str(images), store, SIZE, 0.2))
    assert sum(decode_part.fn(part).bad for part in plan) == 2
    break_file(False)
    dataset = decode_all(images, store)
    assert (dataset.bad, storage.names(storage.datasets_url(store))) == (1, [dataset.fingerprint])
