"""Where the labels and splits of a dataset came from, and whether splits tear groups of images apart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.audit.gap import gap_words
from tasks.audit.words import count
from tasks.parameters import FIT_WORDS

TORN_NAMED = 5

Row = Mapping[str, Any]
Audit = Mapping[str, Any]


def find_torn_groups(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001
    """`groups`: how many there are, and the names of those that stand in test and in training or validation.

    counts: `torn` are training and validation images whose group also judges.
    """
    grouped = [row for row in rows if row["status"] == "ok" and row.get("scene") is not None]
    judging = {row["scene"] for row in grouped if row["split"] == "test"}
    torn = [row["scene"] for row in grouped if row["split"] in ("train", "val") and row["scene"] in judging]
    groups = {"count": len({row["scene"] for row in grouped}), "torn": sorted(set(torn))}
    return {"counts": {"torn": len(torn)}, "groups": groups}


def torn_points(audit: Audit) -> Iterator[str]:
    torn = audit.get("groups", {}).get("torn", [])  # older audits have no groups
    if torn:
        names = ", ".join(torn[:TORN_NAMED]) + (", ..." if len(torn) > TORN_NAMED else "")
        images = count(
            audit["counts"]["torn"], "training or validation image is", "training or validation images are"
        )
        yield (
            f"{images} of groups that also stand in the test split ({names}): results will look better than "
            "they are on groups never seen."
        )


def groups_are_torn(audit: Audit) -> bool:
    return bool(audit["counts"].get("torn"))


def origin_words(audit: Audit) -> Iterator[str]:
    """Sentences about where labels and splits came from; none of older audits, which do not tell."""
    origin, groups = audit.get("origin", {}), audit.get("groups", {}).get("count", 0)
    if origin.get("listing"):
        yield f"Read as {origin['listing']}."
    if share := origin.get("test_share"):
        how = "the latest judge" if origin["newest_as_test"] else "by a hash of their content"
        kept = f"{count(groups, 'group')} and copies" if groups else "copies and near copies"
        stays = "" if origin["newest_as_test"] else "; a file keeps its side when others arrive"
        yield f"There was no test split: {share:.0%} were drawn for it, {how}; {kept} stay together{stays}."
    if groups:
        yield from gap_words(audit["labels"])
    if words := FIT_WORDS.get(origin.get("fit", "")):
        yield f"Pictures are {words}."
    if problems := audit.get("label_problems"):
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in problems.items())
        yield f"Of the file of labels were of no use: {kinds}; label_problems.json of the dataset lists them."
