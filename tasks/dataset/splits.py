"""Decides which images are for training, validation and test, by what the pictures show."""

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from tasks.errors import InputError
from tasks.parameters import Leakage

Row = Mapping[str, Any]
Sides = Mapping[str, str]

RANKS = {"train": 0, "val": 1, "test": 2}  # splits of a higher rank judge what learns from the lower ones
# Share of the training and validation images that may be left out as near copies of what judges them.
# CIFAR-100, known for its copies, has them of 10 % of its test images (Barz and Denzler 2020, "Do We Train
# on Test Data?"). More than that are hardly copies: the scenes look alike, as before a fixed camera.
MOST_LEFT_OUT = 0.1
TEST_SALT = "test"  # else the images with the lowest hashes, which validation takes, would all be test images


def draw_test(rows: Sequence[Row], test_share: float, earlier: Sides, newest: bool = False) -> list[str]:
    """The split of every row where the user has no test split: some training images become one.

    rows: as for `settle_splits`; those with `fixed` stay what they are. Groups of images are drawn whole, by
    a hash (see `_draw`), or, for `newest`, by the time of their latest image, the latest first, until
    `test_share` of all images are drawn; a group of more than half of them is not.
    """
    places = [number for number, row in enumerate(rows) if is_usable(row) and not row["fixed"]]
    candidates = [rows[place] for place in places]
    if newest:
        if not any(row["time"] for row in candidates):
            raise InputError(
                "`newest_as_test` needs images whose time is known. Received none with an EXIF time or a "
                "file time that storage tells: give a file of labels with a column `time`."
            )
        groups = _newest_groups(candidates, test_share)
        drawn = [row["group"] in groups for row in candidates]
    else:
        drawn = _draw(
            candidates, test_share, {key: side == "test" for key, side in earlier.items()}, TEST_SALT
        )
    splits = [row["split"] for row in rows]
    for place, is_drawn in zip(places, drawn, strict=True):
        if is_drawn:
            splits[place] = "test"
    return splits


def settle_splits(
    rows: Sequence[Row], val_share: float, leakage: Leakage, earlier: Sides | None = None
) -> list[str]:
    """Give every row its final split: train, val, test or `leaked`, which nothing is trained on.

    rows: one per file, with status, sha256, label and split as listed or drawn, and
    - group: the same for all files that must not be torn, since they show the same picture or a user says so,
    - leak: `exact` or `near` for a file of train or val that matches an image of test (or a file of train
      that matches one of the user's val), since a network that has seen it knows the answer. Only direct
      matches count, not chains of them.

    earlier: the split of each content, by sha256, in an earlier dataset of the folder that was drawn alike.

    A file with a leak becomes `leaked`, unless `leakage` is report.

    Where the user has no validation split, groups of train form one (see `_draw`).
    """
    splits = ["leaked" if row["leak"] and leakage == "exclude" else row["split"] for row in rows]
    if "val" in splits:
        return splits
    places = [n for n, row in enumerate(rows) if splits[n] == "train" and row["status"] == "ok"]
    known = {key: side == "val" for key, side in (earlier or {}).items() if side != "test"}
    for place, is_drawn in zip(places, _draw([rows[n] for n in places], val_share, known), strict=True):
        if is_drawn:
            splits[place] = "val"
    return splits


def is_usable(row: Row) -> bool:
    return bool(row["status"] == "ok" and row["split"] == "train")


def _draw(rows: Sequence[Row], share: float, earlier: Mapping[str, bool], salt: str = "") -> list[bool]:
    """Which of some training images become another split: whole groups, whose hash falls below `share`.

    So copies stay together. If a class gets none that way, its group with the lowest hash is drawn. A group
    with more than half of the training images that a class still has stays in train.

    earlier: whether each content, by sha256, was drawn before. It stays so, and what is new to its group
    follows it: so no file changes sides when others arrive. (Only where a class would have none at all, a
    group is drawn that was not.) salt: of another split, since each is to be drawn by other hashes.
    """
    kept = {row["group"] for row in rows if earlier.get(row["sha256"])}
    known = {row["group"] for row in rows if row["sha256"] in earlier} - kept
    drawn = _draw_groups(rows, share, kept, known, salt)
    return [
        row["group"] in drawn and not (row["group"] in kept and earlier.get(row["sha256"]) is False)
        for row in rows
    ]


def _draw_groups(
    rows: Sequence[Row], share: float, kept: set[Hashable], known: set[Hashable], salt: str
) -> set[Hashable]:
    """The groups that are drawn. kept: those drawn before. known: those not drawn before."""
    labels_of: dict[Hashable, Counter[str]] = {}
    for row in rows:
        labels_of.setdefault(row["group"], Counter())[row["label"]] += 1
    train_images = Counter(row["label"] for row in rows)
    drawn: set[Hashable] = set()
    drawn_labels: set[str] = set()
    for group, is_wanted in _in_turn(rows, share, kept, known, salt):
        labels = labels_of[group]
        is_needed = is_wanted or not drawn_labels.issuperset(labels)
        can_be_spared = group in kept or all(train_images[label] >= 2 * n for label, n in labels.items())
        if is_needed and can_be_spared and group not in drawn:
            drawn.add(group)
            drawn_labels.update(labels)
            train_images.subtract(labels)
    return drawn


def _in_turn(
    rows: Sequence[Row], share: float, kept: set[Hashable], known: set[Hashable], salt: str
) -> Iterator[tuple[Hashable, bool]]:
    """The groups in the order in which they are drawn, and whether each is wanted; some come twice.

    First those drawn before, then new ones below the share, then, for the classes that have got none, all
    that are new and at last those that were not drawn before.
    """
    lowest_hash: dict[Hashable, str] = {}
    for row in rows:
        lowest_hash[row["group"]] = min(row["sha256"], lowest_hash.get(row["group"], row["sha256"]))
    position = {group: _uniform(salt + content_hash) for group, content_hash in lowest_hash.items()}
    groups = sorted(position, key=position.__getitem__)
    new = [group for group in groups if group not in kept and group not in known]
    yield from ((group, True) for group in groups if group in kept)
    yield from ((group, True) for group in new if position[group] < share)
    yield from ((group, False) for group in new)
    yield from ((group, False) for group in groups if group in known)


def _newest_groups(rows: Sequence[Row], share: float) -> set[Hashable]:
    """The latest groups by the `time` of their latest image, ISO text or None, which is the oldest."""
    images = Counter(row["group"] for row in rows)
    latest: dict[Hashable, str] = {}
    for row in rows:
        latest[row["group"]] = max(row["time"] or "", latest.get(row["group"], ""))
    groups: set[Hashable] = set()
    drawn = 0
    for group in sorted(latest, key=lambda group: (latest[group], str(group)), reverse=True):
        if drawn < share * len(rows) and 2 * (drawn + images[group]) <= len(rows):
            groups.add(group)
            drawn += images[group]
    return groups


def _uniform(content_hash: str) -> float:
    """Uniform in [0, 1), and always the same for a hash.

    The lowest hash of a large group is low itself, so it is hashed again: else large groups would be drawn
    more often than small ones.
    """
    return int(hashlib.sha256(content_hash.encode()).hexdigest()[:8], 16) / 2**32
