"""What changed in the data is told by content, not by names."""

from collections.abc import Mapping

import pyarrow as pa

from tasks import storage
from tasks.dataset.records import Dataset
from tasks.registry.since import data_changes

Row = tuple[str, str]  # label and split


def dataset(
    store: str, fingerprint: str, images: Mapping[str, Row], copies: Mapping[str, Row] | None = None
) -> Dataset:
    url = storage.join(store, "datasets", fingerprint)
    contents = [*images, *(copies or {})]
    labels, splits = zip(*images.values(), *(copies or {}).values(), strict=True)
    columns = {"sha256": contents, "label": labels, "split": splits, "status": ["ok"] * len(contents)}
    storage.write_table(storage.index_url(url), pa.table(columns))
    return Dataset(url, fingerprint, "", ("forest", "sea"), 32, {}, 0, 0, 0, 0)


def test_new_gone_relabelled_and_moved_images_are_counted(store: str):
    before = {
        "a": ("sea", "train"),
        "b": ("sea", "val"),
        "c": ("sea", "test"),
        "d": ("forest", "train"),
        "e": ("sea", "train"),
    }
    now = before | {"b": ("forest", "val"), "c": ("sea", "train"), "f": ("forest", "test")}
    del now["e"]
    dataset(store, "old", before)
    changes = data_changes(dataset(store, "new", now), "old")
    assert {name: changes[name] for name in ("new", "gone", "relabelled", "moved")} == {
        "new": 1,
        "gone": 1,
        "relabelled": 1,
        "moved": 1,
    }
    assert changes["counts"] == {
        "test": {"forest": [0, 1], "sea": [1, 0]},
        "train": {"forest": [1, 1], "sea": [2, 2]},
        "val": {"forest": [0, 1], "sea": [1, 0]},
    }


def test_images_that_are_left_out_as_copies_are_not_gone_and_used_ones_not_hidden(store: str):
    before = {"a": ("sea", "train"), "b": ("sea", "leaked"), "c": ("sea", "leaked"), "d": ("sea", "test")}
    now = {"a": ("sea", "leaked"), "b": ("sea", "train"), "e": ("sea", "leaked"), "d": ("sea", "test")}
    dataset(store, "old", before)
    changes = data_changes(dataset(store, "new", now, copies={"d": ("sea", "leaked")}), "old")
    assert [changes[name] for name in ("new", "gone", "relabelled", "moved")] == [0, 0, 0, 2]
    assert changes["counts"] == {"train": {"sea": [1, 1]}, "val": {"sea": [0, 0]}, "test": {"sea": [1, 1]}}


def test_a_picture_under_two_labels_of_which_one_was_corrected_counts_as_relabelled(store: str):
    right, wrong = {"a": ("sea", "train")}, {"a": ("forest", "train")}
    for number, (first, last) in enumerate([(right, wrong), (wrong, right)]):
        dataset(store, f"old-{number}", first, copies=last)
        corrected = dataset(store, f"new-{number}", right, copies=right)
        assert data_changes(corrected, f"old-{number}")["relabelled"] == 1


def test_a_copy_left_out_whose_label_was_corrected_counts_as_relabelled(store: str):
    """As in the report's count of corrected labels, which has it too."""
    tested, wrong, right = {"a": ("sea", "test")}, {"a": ("forest", "leaked")}, {"a": ("sea", "leaked")}
    for number, (first, last) in enumerate([(tested, wrong), (wrong, tested)]):
        dataset(store, f"old-{number}", first, copies=last)
        changes = data_changes(dataset(store, f"new-{number}", tested, copies=right), f"old-{number}")
        assert [changes[name] for name in ("relabelled", "moved")] == [1, 0]


def test_a_dataset_that_is_gone_or_the_same_is_said_so(store: str):
    committed = dataset(store, "new", {"a": ("sea", "train")})
    assert data_changes(committed, "new") == {"dataset": "new", "same": True, "kept": True}
    assert data_changes(committed, "cleaned") == {"dataset": "cleaned", "same": False, "kept": False}
