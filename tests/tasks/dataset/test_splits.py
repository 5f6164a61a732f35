"""Splits settle by what the pictures show."""

from collections.abc import Sequence

import numpy as np
import pytest

from tasks.dataset.splits import settle_splits


def rows(
    contents: Sequence[str], split: str = "train", label: str = "a", leak: str | None = None
) -> list[dict]:
    common = {"label": label, "split": split, "leak": leak, "status": "ok"}
    return [{"sha256": text, "group": text} | common for text in contents]


def hashes(count: int) -> list[str]:
    random = np.random.default_rng(0)
    return [random.bytes(32).hex() for _ in range(count)]


def in_groups(count: int, size: int) -> list[dict]:
    return [row | {"group": number // size} for number, row in enumerate(rows(hashes(count * size)))]


def test_no_file_changes_side_when_others_arrive():
    contents = hashes(2000)
    few = settle_splits(rows(contents[:1000]), 0.1, "exclude")
    many = settle_splits(rows(contents), 0.1, "exclude")
    assert many[:1000] == few
    assert many.count("val") == pytest.approx(200, abs=45)


@pytest.mark.parametrize("size", [1, 2, 10])
def test_the_share_is_that_of_groups_whatever_their_size(size: int):
    splits = settle_splits(in_groups(2000, size), 0.1, "exclude")
    assert splits.count("val") / size == pytest.approx(200, abs=45)
    assert all(len(set(splits[start : start + size])) == 1 for start in range(0, len(splits), size))


@pytest.mark.parametrize("leak", ["exact", "near"])
def test_what_matches_a_judging_image_is_not_trained_on_unless_it_is_only_reported(leak: str):
    contents = hashes(10)
    listed = rows(contents[:2], leak=leak) + rows(contents[2:]) + rows(contents[:2], "test")
    splits = settle_splits(listed, 0.1, "exclude")
    assert splits[:2] == ["leaked", "leaked"]
    assert "leaked" not in splits[2:]
    assert "leaked" not in settle_splits(listed, 0.1, "report")


def test_a_users_own_validation_split_is_kept_but_for_copies_of_test_images():
    contents = hashes(54)
    listed = rows(contents[:50]) + rows(contents[50:52], "val")
    listed += rows(contents[52:53], "val", leak="exact") + rows(contents[52:], "test")
    assert settle_splits(listed, 0.5, "exclude") == ["train"] * 50 + ["val"] * 2 + ["leaked"] + ["test"] * 2


def test_a_class_never_gives_its_last_image_to_validation():
    for content in hashes(20):
        assert settle_splits(rows([content]), 0.9, "exclude") == ["train"]
    for share in (0.01, 0.9):
        assert sorted(settle_splits(rows(hashes(2)), share, "exclude")) == ["train", "val"]


def test_a_group_of_most_of_a_class_stays_in_training():
    crowd = [row | {"group": "crowd"} for row in rows(hashes(40))]
    listed = crowd + rows([text[::-1] for text in hashes(5)])
    splits = settle_splits(listed, 0.99, "exclude")
    assert set(splits[:40]) == {"train"}
    assert "val" in splits[40:]


@pytest.mark.parametrize("names", ["ab", "ba"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_picture_with_two_labels_leaves_both_classes_an_image_whatever_their_order(
    names: str, share: float
):
    first, second = names
    for content in hashes(20):
        disputed = rows([content], label=first) + rows([content], label=second)
        splits = settle_splits([*disputed, *rows([content[::-1]], label=first)], share, "exclude")
        assert splits == ["train", "train", "val"]
