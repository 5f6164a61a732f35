"""Which images are trained on, validated on and judged by: splits settled by what the pictures show."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.settings import Leakage

Row = Mapping[str, Any]


def settle_splits(rows: Sequence[Row], val_share: float, leakage: Leakage) -> list[str]:
    """Give every row its final split: train, val, test or `leaked`.

    rows: status, sha256, label, split and group, which is the same for all files that show one picture.

    A training or validation file is leaked when its picture also stands in test (or, for training, in a
    validation folder of the user's), be it the same bytes, the same pixels or a near duplicate: a network
    that has seen any of them knows the answer. Nothing trains on leaked files, unless `leakage` is report.
    Where the user gave no validation split, train files whose content hash falls below `val_share` form it,
    so that a file never changes side when unlike others arrive; for a group its least hash decides, so that
    duplicates stay together. A class that this leaves without a validation file gives the one of lowest
    hash, unless that is its last; such a small class may give another one when it grows.
    """
    leaks = leaking(rows) if leakage == "exclude" else [False] * len(rows)
    splits = ["leaked" if leak else row["split"] for row, leak in zip(rows, leaks, strict=True)]
    if "val" in splits:
        return splits
    drawn = _drawn(
        [row for row, split in zip(rows, splits, strict=True) if split == "train" and row["status"] == "ok"],
        val_share,
    )
    return [
        "val" if split == "train" and row["group"] in drawn else split
        for row, split in zip(rows, splits, strict=True)
    ]


def leaking(rows: Sequence[Row]) -> list[bool]:
    """Which rows show a picture that a split judging them holds too. rows: group and split."""
    held = {
        split: {row["group"] for row in rows if row["split"] == split} - {None} for split in ("val", "test")
    }
    judging = {"train": held["val"] | held["test"], "val": held["test"]}
    return [row["group"] in judging.get(row["split"], ()) for row in rows]


def _drawn(rows: Sequence[Row], val_share: float) -> set[int]:
    """The groups that go to validation: those with a hash below the share, and one at least of each class."""
    least: dict[int, str] = {}
    for row in rows:
        least[row["group"]] = min(row["sha256"], least.get(row["group"], row["sha256"]))
    classes: dict[str, set[tuple[str, int]]] = {}
    for row in rows:
        classes.setdefault(row["label"], set()).add((least[row["group"]], row["group"]))
    drawn = {
        content
        for found in classes.values()
        for content in found
        if int(content[0][:8], 16) < val_share * 2**32
    }
    for found in classes.values():
        if found <= drawn:
            drawn.discard(max(found))
        if len(found) > 1 and not found & drawn:
            drawn.add(min(found))
    return {group for _, group in drawn}
