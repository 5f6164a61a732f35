"""A new dataset takes over what any dataset of the store has made, however many there are."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tasks import storage
from tasks.audit.features import Base, feature_urls, plan_features, take_over
from tasks.dataset.manifest import list_images
from tasks.dataset.parts import decode_part, plan_parts
from tasks.dataset.records import Dataset
from tests.tasks.dataset.test_parts import SIZE, decode_all, first_pixels, pictures

BASE = Base("network.onnx", "key")
CALLS = ("ls", "info", "_open", "cat_file", "cp_file", "pipe_file", "put_file", "get_file", "rm")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return pictures(tmp_path / "images", seed=0)


def add_picture(images: Path) -> None:
    shutil.copy(images / "test/a/0.bmp", images / "train/b/new.bmp")


def look(dataset: Dataset) -> int:
    """Make empty features of the parts that have none yet; returns of how many."""
    parts = plan_features(dataset, BASE)
    for part in parts:
        storage.write_bytes(part.url, b"")
    return len(parts)


def test_new_files_alone_are_decoded_though_another_folder_was_trained_in_between(
    images: Path, tmp_path: Path, store: str
):
    first = decode_all(images, store)
    assert look(first) == 1
    others = [decode_all(pictures(tmp_path / f"other{seed}", seed), store) for seed in (1, 2)]
    assert [look(other) for other in others] == [1, 1]
    add_picture(images)
    second = decode_all(images, store)
    assert (second.decoded, second.reused) == (1, first.decoded)
    assert look(second) == 1
    assert np.array_equal(first_pixels(second), first_pixels(first))

    renamed = decode_all(images.rename(tmp_path / "renamed"), store)
    assert (renamed.decoded, renamed.reused) == (0, second.decoded + second.reused)
    assert look(renamed) == 0
    assert np.array_equal(first_pixels(renamed), first_pixels(first))


def test_parts_are_taken_from_several_datasets_at_once(images: Path, store: str):
    first = decode_all(images, store)
    for folder in ("train/c", "test/c"):
        shutil.copytree(images / "train/a", images / folder)
    second = decode_all(images, store)
    moved_folders = {
        name: shutil.move(images / name / "c", images.parent / name) for name in ("train", "test")
    }
    (images / "train/a/1.bmp").unlink()
    assert decode_all(images, store).decoded == first.decoded - 1
    for name, folder in moved_folders.items():
        shutil.move(folder, images / name / "c")
    last = decode_all(images, store)
    assert (last.decoded, last.reused) == (0, first.decoded - 1 + second.decoded)


def test_a_dataset_that_vanishes_while_it_is_taken_over_costs_only_time(images: Path, store: str):
    first = decode_all(images, store)
    look(first)
    add_picture(images)
    manifest = list_images.fn(str(images), store, SIZE, 0.2)
    plan = plan_parts(manifest)
    shutil.rmtree(first.url)
    assert [decode_part.fn(part).decoded for part in plan] == [True, True]
    second = decode_all(images, store)
    assert look(second) == 2
    assert not take_over(storage.features_url(second.url, "x.npy"), first.url, lambda _: ["x.npy"])
    assert second.split("train", "val").take(np.arange(3)).any()


@pytest.mark.parametrize("remains", [None, b"", b'{"datasets": [1]}', b'{"datasets": {"%s": {}}}'])
def test_a_lost_or_broken_catalogue_is_made_anew(images: Path, store: str, remains: bytes | None):
    first = decode_all(images, store)
    catalogue = Path(storage.catalogue_url(store))
    catalogue.unlink()
    if remains is not None:
        catalogue.write_bytes(remains.replace(b"%s", first.fingerprint.encode()))
    add_picture(images)
    assert decode_all(images, store).decoded == 1


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the filesystem `memory://`, one call after the other."""
    calls: list[str] = []

    def counted(name: str) -> Any:
        method = getattr(MemoryFileSystem, name)

        def call(*args: Any, **options: Any) -> Any:
            calls.append(name)
            return method(*args, **options)

        return call

    for name in CALLS:
        monkeypatch.setattr(MemoryFileSystem, name, counted(name))
    return calls


def test_what_is_taken_over_costs_as_few_requests_from_a_thousand_datasets_as_from_ten(
    images: Path, tmp_path: Path, calls: list[str]
):
    requests = []
    for count in (10, 1000):
        store = f"memory://{tmp_path.name}-{count}/store"
        first = decode_all(images, store)
        look(first)
        marker = storage.read_json(storage.success_url(first.url))
        for number in range(count):
            url = storage.dataset_url(store, f"{number:016d}")
            strange = {name: [f"{number}"] for name in ("parts", "pixels", "first_files")}
            twin = {"root": "elsewhere"} | (strange if number % 2 else {})
            storage.write_json(storage.success_url(url), marker | twin)
        decode_all(pictures(tmp_path / f"other{count}", seed=1), store)
        (images / "train/b/new.bmp").unlink(missing_ok=True)
        add_picture(images)
        calls.clear()
        second = decode_all(images, store)
        assert (second.decoded, look(second)) == (1, 1)
        requests.append(len(calls))
        (images / "train/b/new.bmp").unlink()
    assert requests[1] == requests[0]
    assert feature_urls(second, BASE).keys() == {0, 1}
