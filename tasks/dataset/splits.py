"""Which images are trained on, validated on and judged by: splits settled by what the pictures show."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.parameters import Leakage

Row = Mapping[str, Any]

RANKS = {"train": 0, "val": 1, "test": 2}  # a split is judged by those of higher rank
# Share of the training and validation images that may be left out as near copies of what judges them.
# CIFAR-100, known for its copies, has them of 10 % of its test images (Barz and Denzler 2020, "Do We Train
# on Test Data?"); where there are more, the scenes look alike, as before a fixed camera, and are no copies.
MOST_LEFT_OUT = 0.1


def settle_splits(rows: Sequence[Row], val_share: float, leakage: Leakage) -> list[str]:
    """Give every row its final split: train, val, test or `leaked`.

    rows: status, sha256, label, split; group, the same for all files that show one picture; leak, `exact`
    or `near` where a training or validation file matches an image of test (or, for training, of a
    validation folder of the user's) itself, not by a chain of others: a network that has seen it knows the
    answer. Nothing trains on these leaked files, unless `leakage` is report.

    Where the user gave no validation split, groups of train files form it whose hash falls below
    `val_share`, so that a file never changes side when unlike others arrive and duplicates stay together.
    A class that this leaves without a validation file gives the group of lowest hash; such a small class
    may give another one when it grows. No group is taken that would leave a class fewer training images
    than it takes.
    """
    splits = ["leaked" if row["leak"] and leakage == "exclude" else row["split"] for row in rows]
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


def _drawn(rows: Sequence[Row], val_share: float) -> set[int]:
    """The groups that go to validation."""
    least: dict[int, str] = {}
    held: dict[int, Counter[str]] = {}
    for row in rows:
        group = row["group"]
        least[group] = min(row["sha256"], least.get(group, row["sha256"]))
        held.setdefault(group, Counter())[row["label"]] += 1
    drawn: set[int] = set()
    validated: set[str] = set()
    trained = Counter(row["label"] for row in rows)
    lots = {group: _lot(content) for group, content in least.items()}
    order = sorted(lots, key=lots.__getitem__)
    for group in [*(one for one in order if lots[one] < val_share), *order]:
        wanted = lots[group] < val_share or not validated.issuperset(held[group])
        spared = all(trained[label] >= 2 * images for label, images in held[group].items())
        if wanted and spared and group not in drawn:
            drawn.add(group)
            validated.update(held[group])
            trained.subtract(held[group])
    return drawn


def _lot(content: str) -> float:
    """A number from 0 to 1, drawn for a group by its least hash, which alone is low where it has many."""
    return int(hashlib.sha256(content.encode()).hexdigest()[:8], 16) / 2**32
