"""How the images of a dataset divide among its classes and splits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.audit.words import count
from tasks.parameters import UNEVEN

Row = Mapping[str, Any]
Audit = Mapping[str, Any]


def find_classes(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:
    """`splits`: usable images of each class in each split; `balance`: the smallest and the largest class."""
    usable = [row for row in rows if row["status"] == "ok"]
    return {"splits": split_counts(usable, classes), "balance": balance(usable, classes)}


def split_counts(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Images of each class in each split that has any, classes in their order."""
    counts = Counter((row["split"], row["label"]) for row in rows)
    return {
        split: {name: counts[split, name] for name in classes}
        for split in ("train", "val", "test")
        if any(counts[split, name] for name in classes)
    }


def balance(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:
    """The smallest and the largest class by usable images, and how many times larger that is."""
    counts = Counter(row["label"] for row in rows)
    smallest, largest = min(classes, key=counts.__getitem__), max(classes, key=counts.__getitem__)
    return {
        "smallest": smallest,
        "smallest_images": counts[smallest],
        "largest": largest,
        "largest_images": counts[largest],
        "ratio": round(counts[largest] / max(counts[smallest], 1), 2),
    }


def class_points(audit: Audit) -> Iterator[str]:
    for split, names in missing_classes(audit).items():
        if names:
            yield f"No {split} images of {', '.join(names)}."
    balance = audit["balance"]
    if balance["ratio"] >= UNEVEN:
        yield (
            f"Uneven classes: {count(balance['largest_images'], 'image')} of {balance['largest']}, "
            f"{balance['smallest_images']:,} of {balance['smallest']}."
        )


def classes_are_missing(audit: Audit) -> bool:
    return any(missing_classes(audit).values())


def missing_classes(audit: Audit) -> dict[str, list[str]]:
    """The classes that a split does not hold though it holds others."""
    return {
        split: [name for name, images in counts.items() if not images]
        for split, counts in audit["splits"].items()
    }
