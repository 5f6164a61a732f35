"""Whether a dataset is sound, in words: the verdict of its audit, and what to see to."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.dataset import MOST_LEFT_OUT

BAD_SHARE, WRONG_SHARE = 0.05, 0.05  # of the files, of the labels: more than that is not sound
UNEVEN = 3  # times as many images in the largest class as in the smallest

Audit = Mapping[str, Any]


def soundness(audit: Audit) -> dict[str, Any]:
    """The verdict on a dataset: `grade` (sound, but, not), `title`, and `points`, a sentence each."""
    if not audit:
        return {"grade": "", "title": "", "points": []}
    counts, labels = audit["counts"], audit.get("labels") or {}
    points = [*_about_splits(audit), *_about_labels(audit), *_about_files(audit)]
    serious = (
        counts.get("leaking")
        or _scenes_look_alike(audit)
        or counts["bad"] > BAD_SHARE * counts["files"]
        or labels.get("suspected", 0) > WRONG_SHARE * max(labels.get("checked", 0), 1)
        or any(_missing(audit).values())
    )
    grade = "not" if serious else "but" if points else "sound"
    title = {"not": "Not sound yet", "but": "Sound, but see to this", "sound": "The data is sound"}[grade]
    return {"grade": grade, "title": title, "points": points}


def _about_splits(audit: Audit) -> Iterator[str]:
    counts = audit["counts"]
    if leaking := counts.get("leaking"):
        yield (
            f"{_copies(leaking)} of images that judge them and still used: results will look better "
            "than they are."
        )
    if leaked := counts.get("leaked"):
        yield f"{_copies(leaked)} of images that judge them and left out."
    if _scenes_look_alike(audit):
        yield (
            f"{counts['leaked_near']:,} of these are only near copies, more than {100 * MOST_LEFT_OUT:.0f} % "
            "of all: the scenes look alike, as before a fixed camera, and a retraining will not leave them "
            "out. Split them by place or time, or train on all of them with --leakage report."
        )
    for split, names in _missing(audit).items():
        if names:
            yield f"No {split} images of {', '.join(names)}."
    balance = audit.get("balance") or {}
    if balance.get("ratio", 1) >= UNEVEN:
        yield (
            f"Uneven classes: {balance['largest_images']:,} images of {balance['largest']}, "
            f"{balance['smallest_images']:,} of {balance['smallest']}."
        )


def _about_labels(audit: Audit) -> Iterator[str]:
    counts, labels = audit["counts"], audit.get("labels") or {}
    if conflicts := counts.get("conflicts"):
        yield f"{_many(conflicts, 'picture is', 'pictures are')} there twice under different labels."
    if suspected := labels.get("suspected"):
        share = suspected / max(labels["checked"], 1)
        yield f"{_many(suspected, 'label is', 'labels are')} likely wrong ({100 * share:.1f} %)."
    if skipped := labels.get("skipped"):
        yield f"Labels were not checked: {skipped}."


def _about_files(audit: Audit) -> Iterator[str]:
    counts = audit["counts"]
    if bad := counts["bad"]:
        reasons = (f"{images:,} {status}" for status, images in audit.get("statuses", {}).items())
        told = ", ".join(reason for reason in reasons if not reason.endswith(" ok"))
        yield f"{_many(bad, 'file', 'files')} cannot be used{f' ({told})' if told else ''}."


def _missing(audit: Audit) -> dict[str, list[str]]:
    """The classes that a split does not hold though it holds others."""
    return {
        split: [name for name, images in counted.items() if not images]
        for split, counted in audit.get("splits", {}).items()
    }


def _scenes_look_alike(audit: Audit) -> bool:
    """Whether so many images nearly match what judges them that a retraining would not leave them out."""
    splits, counts = audit.get("splits", {}), audit["counts"]
    used = sum(sum(splits.get(split, {}).values()) for split in ("train", "val"))
    return counts.get("leaked_near", 0) > MOST_LEFT_OUT * (used + counts.get("leaked", 0))


def _copies(number: int) -> str:
    return _many(number, "training or validation image is a copy", "training or validation images are copies")


def _many(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
