"""Decides which images are for training, validation and test, by what the pictures show."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.parameters import Leakage

Row = Mapping[str, Any]

RANKS = {"train": 0, "val": 1, "test": 2}  # splits of a higher rank judge what learns from the lower ones
# Share of the training and validation images that may be left out as near copies of what judges them.
# CIFAR-100, known for its copies, has them of 10 % of its test images (Barz and Denzler 2020, "Do We Train
# on Test Data?"). More than that are hardly copies: the scenes look alike, as before a fixed camera.
MOST_LEFT_OUT = 0.1


def settle_splits(rows: Sequence[Row], val_share: float, leakage: Leakage) -> list[str]:
    """Give every row its final split: train, val, test or `leaked`, which nothing is trained on.

    rows: one per file, with status, sha256, label and split as listed, and
    - group: the same for all files that show the same picture,
    - leak: `exact` or `near` for a file of train or val that matches an image of test (or a file of train
      that matches one of the user's val), since a network that has seen it knows the answer. Only direct
      matches count, not chains of them.

    A file with a leak becomes `leaked`, unless `leakage` is report.

    Where the user has no validation split, groups of train form one: those whose hash falls below
    `val_share`. So copies stay together, and no file changes its split when other pictures arrive. If a
    class gets none that way, its group with the lowest hash goes to validation; which group that is may
    change as such a small class grows. A group with more than half of the training images that a class
    still has stays in train.
    """
    splits = ["leaked" if row["leak"] and leakage == "exclude" else row["split"] for row in rows]
    if "val" in splits:
        return splits
    validation_groups = _validation_groups(
        [row for row, split in zip(rows, splits, strict=True) if split == "train" and row["status"] == "ok"],
        val_share,
    )
    return [
        "val" if split == "train" and row["group"] in validation_groups else split
        for row, split in zip(rows, splits, strict=True)
    ]


def _validation_groups(rows: Sequence[Row], val_share: float) -> set[int]:
    """The groups of training files that become validation."""
    lowest_hash: dict[int, str] = {}
    group_labels: dict[int, Counter[str]] = {}
    for row in rows:
        group = row["group"]
        lowest_hash[group] = min(row["sha256"], lowest_hash.get(group, row["sha256"]))
        group_labels.setdefault(group, Counter())[row["label"]] += 1
    position = {group: _uniform(content_hash) for group, content_hash in lowest_hash.items()}
    groups = sorted(position, key=position.__getitem__)
    validation_groups: set[int] = set()
    validated_labels: set[str] = set()
    train_images = Counter(row["label"] for row in rows)
    # First the groups below the share, then all of them, for the classes that have got none.
    for group in [*(group for group in groups if position[group] < val_share), *groups]:
        labels = group_labels[group]
        is_needed = position[group] < val_share or not validated_labels.issuperset(labels)
        can_be_spared = all(train_images[label] >= 2 * images for label, images in labels.items())
        if is_needed and can_be_spared and group not in validation_groups:
            validation_groups.add(group)
            validated_labels.update(labels)
            train_images.subtract(labels)
    return validation_groups


def _uniform(content_hash: str) -> float:
    """Uniform in [0, 1), and always the same for a hash.

    The lowest hash of a large group is low itself, so it is hashed again: else large groups would be drawn
    more often than small ones.
    """
    return int(hashlib.sha256(content_hash.encode()).hexdigest()[:8], 16) / 2**32
