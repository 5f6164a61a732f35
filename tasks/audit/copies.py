"""Files that show one picture: exact and near copies, those across splits, those with different labels."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tasks.audit.words import count
from tasks.dataset import MOST_LEFT_OUT

Row = Mapping[str, Any]
Audit = Mapping[str, Any]


def find_copies(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001
    """The sets of copies among usable images, and how many of each sort there are.

    counts: `duplicates` are sets of files that show one picture, chains of near copies, each counted once;
    `exact` sets have equal pixels, `same_bytes` are those of them with equal bytes; `near` sets hold some
    that are only nearly equal, and an exact set may lie in one. `conflicts` are sets whose files have
    different labels. `leaked` files were left out of training or validation as copies of what judges them,
    `leaked_near` those of them that are only near copies; `leaking` ones were not left out.
    """
    usable = [row for row in rows if row["status"] == "ok"]
    groups = group_by(usable, "group")
    near = near_copies(groups)
    exact = exact_copies(usable, {path for copies in near for path in copies["paths"]})
    left_out = [row for row in usable if row["split"] == "leaked"]
    return {
        "counts": {
            "duplicates": sum(len(group) > 1 for group in groups),
            "exact": len(exact),
            "same_bytes": sum(copies["same_bytes"] for copies in exact),
            "near": len(near),
            "conflicts": sum(len({row["label"] for row in group}) > 1 for group in groups),
            "leaked": len(left_out),
            "leaked_near": sum(row["leak"] == "near" for row in left_out),
            "leaking": sum(row["split"] != "leaked" and row["leak"] is not None for row in usable),
        },
        "duplicates": sorted(
            [*exact, *near], key=lambda copies: (not copies["labels_conflict"], not copies["across_splits"])
        ),
    }


def exact_copies(rows: Sequence[Row], near: Collection[str]) -> list[dict[str, Any]]:
    """Sets of files with the same pixels, in the order of their first path.

    near: the paths in near sets; `in_near_set` marks the exact sets that are part of one.
    """
    groups = [group for group in group_by(rows, "pixels_sha256") if len(group) > 1]
    return [describe("exact", group) | {"in_near_set": group[0]["path"] in near} for group in groups]


def near_copies(groups: Sequence[Sequence[Row]]) -> list[dict[str, Any]]:
    """Sets of files that show nearly the same picture, exact copies among them, in path order."""
    unequal = [group for group in groups if len({row["pixels_sha256"] for row in group}) > 1]
    return [describe("near", group) | {"in_near_set": False} for group in unequal]


def group_by(rows: Sequence[Row], column: str) -> list[list[Row]]:
    """The rows that share a value, the groups in the order of their first rows."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return list(groups.values())


def describe(kind: str, group: Sequence[Row]) -> dict[str, Any]:
    """A set of copies as audit.json tells it. Files left out as copies count as training files here."""
    splits = {"train" if row["split"] == "leaked" else row["split"] for row in group}
    return {
        "paths": [row["path"] for row in group],
        "kind": kind,
        "same_bytes": len({row["sha256"] for row in group}) == 1,
        "across_splits": len(splits) > 1,
        "labels_conflict": len({row["label"] for row in group}) > 1,
    }


def copy_points(audit: Audit) -> Iterator[str]:
    counts = audit["counts"]
    one, many = "training or validation image is a copy", "training or validation images are copies"
    if leaking := counts["leaking"]:
        yield (
            f"{count(leaking, one, many)} of images that judge them and still used: results will look better "
            "than they are."
        )
    if leaked := counts["leaked"]:
        yield f"{count(leaked, one, many)} of images that judge them and left out."
    if scenes_look_alike(audit):
        yield (
            f"{counts['leaked_near']:,} of these are only near copies, more than {100 * MOST_LEFT_OUT:.0f} % "
            "of all: the scenes look alike, as before a fixed camera, and a retraining will not leave them "
            "out. Let whole groups judge, such as places or days (--group-by), or train on all of them with "
            "--leakage report."
        )
    if conflicts := counts["conflicts"]:
        yield f"{count(conflicts, 'picture is', 'pictures are')} there twice under different labels."


def copies_spoil(audit: Audit) -> bool:
    """Whether results would flatter the model, or so much would be left out that a retraining stops."""
    return bool(audit["counts"]["leaking"]) or scenes_look_alike(audit)


def scenes_look_alike(audit: Audit) -> bool:
    """Whether so many images nearly match what judges them that a retraining would not leave them out."""
    splits, counts = audit["splits"], audit["counts"]
    used = sum(sum(splits.get(split, {}).values()) for split in ("train", "val"))
    return counts["leaked_near"] > MOST_LEFT_OUT * (used + counts["leaked"])
