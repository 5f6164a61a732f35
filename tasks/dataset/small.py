"""Leaves out of a retraining the classes that have too few images to be learned and judged."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tasks import storage
from tasks.dataset.corrections import SPLITS
from tasks.dataset.records import Dataset

NEEDED = ("train", "test")  # splits in which a class must have an image

log = logging.getLogger("darkroom")

Counts = Mapping[tuple[str, str], int]  # images by class and split


def what_classes_lack(counts: Counts, classes: Sequence[str]) -> dict[str, str]:
    """In words what each class lacks that cannot take part in a retraining: `no test image`, by class."""
    lacks = {name: [split for split in NEEDED if not counts.get((name, split))] for name in classes}
    return {
        name: " and ".join(f"no {split} image" for split in splits)
        for name, splits in lacks.items()
        if splits
    }


def too_few_to_split(files: Mapping[str, int], classes: Sequence[str]) -> dict[str, str]:
    """In words what each class lacks of an image for each split, where test and validation are drawn."""
    few = {name: files.get(name, 0) for name in classes if files.get(name, 0) < len(SPLITS)}
    return {
        name: f"{count} image{'' if count == 1 else 's'}, needs {len(SPLITS) - count} more"
        for name, count in few.items()
    }


def do_most_remain(remaining: Sequence[str], left_out: Sequence[str] | Mapping[str, str]) -> bool:
    """Whether a training is worth it without the classes left out; else they are no late arrivals."""
    return len(remaining) > max(1, len(left_out))


def without_small_classes(dataset: Dataset) -> Dataset:
    """The dataset without its classes that have no usable training image, or no test image, told in the log.

    A class that appears with its first images is not to stop the nights until it has enough. Its images stay
    in the index, so that the audit tells of them.
    """
    columns = ["label", "split", "status"]
    index = storage.read_table(storage.index_url(dataset.url), columns).to_pylist()
    usable = [row for row in index if row["status"] == "ok"]
    counts = Counter((row["label"], row["split"]) for row in usable)
    left_out = what_classes_lack(counts, dataset.classes)
    if dataset.origin.get("test_share"):
        left_out |= too_few_to_split(Counter(row["label"] for row in usable), dataset.classes)
    if not left_out:
        return dataset
    classes = tuple(name for name in dataset.classes if name not in left_out)
    tell_left_out(left_out)
    splits: dict[str, Any] = {split: sum(counts[name, split] for name in classes) for split in dataset.counts}
    return replace(dataset, classes=classes, counts=splits, left_out=left_out)


def tell_left_out(left_out: Mapping[str, str]) -> None:
    """Warn of classes that are left out: `what_classes_lack`."""
    if left_out:
        log.warning("Classes left out of this training, for want of images: %s", left_out_in_words(left_out))


def left_out_in_words(left_out: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({lack})" for name, lack in left_out.items())
