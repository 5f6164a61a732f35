"""Splits settle by what the pictures show."""

from collections.abc import Sequence

import numpy as np
import pytest

from tasks.splits import leaking, settle_splits


def rows(contents: Sequence[str], split: str = "train") -> list[dict]:
    return [
        {"sha256": text, "group": text, "label": "a", "split": split, "status": "ok"} for text in contents
    ]


def hashes(count: int) -> list[str]:
    random = np.random.default_rng(0)
    return [random.bytes(32).hex() for _ in range(count)]


def test_no_file_changes_side_when_others_arrive():
    contents = hashes(2000)
    few = settle_splits(rows(contents[:1000]), 0.1, "exclude")
    many = settle_splits(rows(contents), 0.1, "exclude")
    assert many[:1000] == few
    assert many.count("val") == pytest.approx(200, abs=45)


def test_a_copy_of_a_test_image_is_not_trained_on():
    contents = hashes(10)
    splits = settle_splits(rows(contents) + rows(contents[:2], "test"), 0.1, "exclude")
    assert splits[:2] == ["leaked", "leaked"]
    assert "leaked" not in splits[2:]


def test_a_users_own_validation_split_is_kept_but_for_copies_of_test_images():
    contents = hashes(54)
    splits = settle_splits(
        rows(contents[:50]) + rows(contents[50:53], "val") + rows(contents[52:], "test"), 0.5, "exclude"
    )
    assert splits == ["train"] * 50 + ["val"] * 2 + ["leaked"] + ["test"] * 2


def test_a_class_never_gives_its_last_image_to_validation():
    [low] = hashes(1)
    assert settle_splits(rows(["00" + low[2:]]), 0.5, "exclude") == ["train"]
    assert sorted(settle_splits(rows(["ff" + low[2:], "fe" + low[2:]]), 0.1, "exclude")) == ["train", "val"]


def test_near_duplicates_of_test_images_are_left_out_and_others_stay_on_one_side():
    contents = hashes(400)
    pairs = [row | {"group": number // 2} for number, row in enumerate(rows(contents))]
    pairs[1]["split"] = "test"
    splits = settle_splits(pairs, 0.3, "exclude")
    assert splits[:2] == ["leaked", "test"]
    assert all(first == second for first, second in zip(splits[2::2], splits[3::2], strict=True))
    assert {"train", "val"} <= set(splits)


def test_copies_of_test_images_that_are_only_reported_are_trained_on_and_counted():
    contents = hashes(10)
    found = rows(contents) + rows(contents[:2], "test")
    splits = settle_splits(found, 0.1, "report")
    assert "leaked" not in splits
    settled = [row | {"split": split} for row, split in zip(found, splits, strict=True)]
    assert sum(leaking(settled)) == 2
