"""What people answered, applied to a dataset: labels replaced, images dropped, images from an inbox added."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from tasks import storage
from tasks.corrections import Answer, from_table, labelled_images, to_table
from tasks.dataset.folders import LabelledFile
from tasks.storage import FileEntry

DROPPED, UNKNOWN_CLASS = "dropped", "unknown class"  # status of files that answers keep out
LEFT_OUT = (DROPPED, UNKNOWN_CLASS)
SPLITS = ("train", "val", "test")

Corrections = Mapping[str, Answer]
Row = Mapping[str, Any]


def added_files(store: str, corrections: Corrections) -> list[LabelledFile]:
    """The images that people labelled in an inbox and that the store keeps, as training images.

    Their bytes are told by their name, so that they need no mark.
    """
    sizes = storage.sizes(storage.kept_images_url(store))
    return [
        LabelledFile(FileEntry(f"{storage.KEPT}{name}", sizes.get(name, 0), ""), answer.label, "train")
        for name, answer in labelled_images(store, corrections).items()
    ]


def write_corrections(dataset_url: str, corrections: Corrections) -> None:
    """Keep with a dataset the answers that it is made with, unless there are none or it has them."""
    url = storage.corrections_url(dataset_url)
    if corrections and storage.table_unless_broken(url) is None:
        storage.write_table(url, to_table([answer for _, answer in sorted(corrections.items())]))


def corrections_of(dataset_url: str) -> dict[str, Answer]:
    """The answers that a dataset is made with, by content."""
    url = storage.corrections_url(dataset_url)
    answers = from_table(storage.read_table(url)) if storage.exists(url) else []
    return {answer.sha256: answer for answer in answers}


def correct(index: pa.Table, corrections: Corrections, classes: Collection[str]) -> pa.Table:
    """An index with what people answered: `label`, `status` and `reason` changed, two columns added.

    given: the label that the file's folder gave; null for images of an inbox. answer: the class that a person
    gave, if any did; where the dataset has no such class, the folder's label stays. Dropped files have the
    status `dropped`, images of an inbox with a class that the dataset lacks `unknown class`.
    """
    columns = ["path", "sha256", "label", "status", "reason"]
    rows = [
        corrected_row(row, corrections.get(row["sha256"]), classes)
        for row in index.select(columns).to_pylist()
    ]
    for name in columns[2:]:
        values = pa.array([row[name] for row in rows], pa.string())
        index = index.set_column(index.column_names.index(name), name, values)
    for name in ("given", "answer"):
        index = index.append_column(name, pa.array([row[name] for row in rows], pa.string()))
    return index


def corrected_row(row: Row, correction: Answer | None, classes: Collection[str]) -> dict[str, Any]:
    is_added = row["path"].startswith(storage.KEPT)
    corrected = {**row, "given": None if is_added else row["label"], "answer": None}
    if correction is None:
        return corrected
    if correction.decision == "drop":
        return corrected | {"status": DROPPED, "reason": f"dropped by {correction.who}"}
    answer = correction.label
    if answer in classes:
        return corrected | {"label": answer, "answer": answer}
    reason = f"{correction.who} says {answer}, which is no class of the dataset"
    return corrected | {"answer": answer} | ({"status": UNKNOWN_CLASS, "reason": reason} if is_added else {})


def count_corrections(rows: Sequence[Row]) -> dict[str, Any]:
    """What answers have changed in the rows of an index.

    corrected, dropped: images of each split whose label was replaced, or that were left out. added: images of
    an inbox. unknown_classes: how many files a person says are of classes that the dataset does not have.
    """
    answered = [row for row in rows if row.get("answer") is not None]
    usable = [row for row in answered if row["status"] == "ok"]
    unknown = [
        row["answer"] for row in answered if row["answer"] != row["label"] or row["status"] == UNKNOWN_CLASS
    ]
    return {
        "corrected": by_split([row for row in usable if row["given"] not in (None, row["label"])]),
        "dropped": by_split([row for row in rows if row["status"] == DROPPED]),
        "added": sum(row["given"] is None for row in usable),
        "unknown_classes": dict(Counter(unknown)),
    }


def by_split(rows: Sequence[Row]) -> dict[str, int]:
    return dict.fromkeys(SPLITS, 0) | Counter(row["split"] for row in rows)
