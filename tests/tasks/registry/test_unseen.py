"""A model is judged by pictures it was not trained on, whichever split they were in then."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tasks import storage
from tasks.dataset.records import Dataset
from tasks.registry.since import unseen_tests

LOOKS = ("width", "height", "brightness", "sharpness", "part", "row")


def dataset(store: str, fingerprint: str, images: Mapping[str, str], **columns: Sequence[Any]) -> Dataset:
    """A dataset of classes a and b whose images, {bytes: split}, are all of a."""
    url, splits = storage.join(store, "datasets", fingerprint), list(images.values())
    rows = {"path": [f"{content}.jpg" for content in images], "sha256": list(images), "split": splits}
    rows |= {"label": ["a"] * len(images), "status": ["ok"] * len(images), **columns}
    storage.write_table(storage.index_url(url), pa.table(rows | {name: [1] * len(images) for name in LOOKS}))
    return Dataset(url, fingerprint, "", ("a", "b"), 32, {}, 0, 0, 0, 0)


def judging_paths(current: Dataset, trained_on: str) -> list[str]:
    """Paths of the test images that may judge a model of the dataset `trained_on`."""
    is_unseen = unseen_tests(current, trained_on)
    return [path for path, unseen in zip(current.split("test").paths, is_unseen, strict=True) if unseen]


def test_what_was_trained_or_validated_on_does_not_judge_after_the_splits_were_cut_anew(store: str):
    dataset(store, "old", {"1": "train", "2": "val", "3": "test", "4": "leaked"})
    now = dataset(
        store, "new", {"5": "test", "1": "test", "2": "test", "0": "train", "3": "test", "4": "test"}
    )
    assert judging_paths(now, "old") == ["5.jpg", "3.jpg", "4.jpg"]


def test_copies_do_not_judge_whether_their_bytes_differ_or_they_are_only_near(store: str):
    dataset(
        store,
        "old",
        {"1": "train", "near it": "test", "2": "train"},
        group=[0, 0, 2],
        pixels_sha256=["a", "b", "c"],
    )
    now = dataset(
        store,
        "new",
        {"saved anew": "test", "2": "leaked", "near 2": "test", "near it": "test", "other": "test"},
        group=[0, 1, 1, 3, 4],
        pixels_sha256=["a", "c", "d", "b", "e"],
    )
    assert judging_paths(now, "old") == ["other.jpg"]


def test_where_the_dataset_has_gone_it_is_said_that_nothing_is_known(store: str):
    now = dataset(store, "new", {"1": "test"})
    assert unseen_tests(now, "cleaned") is None
    assert unseen_tests(now, None) is None
