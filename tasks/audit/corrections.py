"""What people corrected in a dataset, and what that does to the numbers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.audit.words import count
from tasks.dataset import count_corrections

Row = Mapping[str, Any]
Audit = Mapping[str, Any]


def find_corrections(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001
    """`corrections`: how many of each sort (see `count_corrections`)."""
    return {"corrections": count_corrections(rows)}


def correction_points(audit: Audit) -> Iterator[str]:
    if unknown := audit.get("corrections", {}).get("unknown_classes"):  # older audits have no corrections
        classes = ", ".join(f"{name} ({images:,})" for name, images in unknown.items())
        answers = count(sum(unknown.values()), "answer names a class", "answers name classes")
        yield (
            f"{answers} that the folders do not have, and changed nothing: {classes}. Make a folder of that "
            "name with images in it, or answer again."
        )


def correction_words(corrections: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about what people corrected; none where they corrected nothing.

    corrections: as `count_corrections` gives them; of older records there are none.
    """
    if not corrections:
        return
    corrected, dropped, added = (corrections[name] for name in ("corrected", "dropped", "added"))
    if any(corrected.values()):
        labels = count(sum(corrected.values()), "label was", "labels were")
        yield f"{labels} corrected by people {in_splits(corrected)}."
    if any(dropped.values()):
        files = count(sum(dropped.values()), "file was", "files were")
        yield f"{files} left out at their word {in_splits(dropped)}."
    if added:
        yield f"{count(added, 'image that was', 'images that were')} labelled in an inbox joined training."
    if corrected["test"] or dropped["test"]:
        yield (
            "Test images are among them: accuracies measured before that are of other labels and not to be "
            "compared with these. The champion was judged again on the labels as they are now."
        )


def in_splits(counts: Mapping[str, int]) -> str:
    return f"({', '.join(f'{images:,} {split}' for split, images in counts.items() if images)})"
