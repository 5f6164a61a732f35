"""A dataset compared with the one the champion was trained on: test images new to it, and what changed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks import storage
from tasks.dataset import Dataset

TRAINING_SPLITS = ("train", "val")
SPLITS, LEFT_OUT = (*TRAINING_SPLITS, "test"), "leaked"
HASHES = ("sha256", "pixels_sha256")

Row = dict[str, Any]


def unseen_tests(dataset: Dataset, trained_on: str | None) -> np.ndarray | None:
    """Which test images are new to a model that was trained on another dataset of the same store.

    trained_on: that dataset's fingerprint. Returns bool [test images], in the order of
    `dataset.split("test")`; None where that dataset is unknown or removed.

    An image is not new if train or val held, in that dataset, the same bytes, the same pixels or a near copy,
    by the groups of either dataset. A near copy is missed where each dataset holds only one of the pair.
    """
    earlier_index = earlier_index_url(dataset, trained_on)
    if earlier_index is None:
        return None
    columns = ("split", "group", "label", *HASHES)
    earlier_rows, current_rows = (
        read_usable(url, columns) for url in (earlier_index, storage.index_url(dataset.url))
    )
    training_rows = [row for row in earlier_rows if row["split"] in TRAINING_SPLITS]
    training_groups = values_of(training_rows, "group")
    near_copies = [row for row in earlier_rows if row.get("group") in training_groups]
    seen_hashes = values_of([*training_rows, *near_copies], *HASHES)
    seen_groups = values_of([row for row in current_rows if has_hash(row, seen_hashes)], "group")
    is_unseen = [
        not has_hash(row, seen_hashes) and row.get("group") not in seen_groups
        for row in current_rows
        if row["split"] == "test" and row["label"] in dataset.classes
    ]
    return np.array(is_unseen, bool)


def data_changes(dataset: Dataset, champion_dataset: str) -> dict[str, Any]:
    """This dataset against the champion's, of fingerprint `champion_dataset`, by the images' bytes.

    `same`: whether both are one. `kept`: whether the champion's is still in the store; `darkroom clean` may
    have removed it. If it is another and kept, there are also `counts`, {split: {class: [then, now]}}, and
    how many images are `new`, `gone`, of another label (`relabelled`) or in another split (`moved`), which
    may be the one for images left out of training.
    """
    same = champion_dataset == dataset.fingerprint
    earlier_index = earlier_index_url(dataset, champion_dataset)
    changes = {"dataset": champion_dataset, "same": same, "kept": same or earlier_index is not None}
    if same or earlier_index is None:
        return changes
    before, counts_before = by_content(earlier_index)
    now, counts_now = by_content(storage.index_url(dataset.url))
    in_both = before.keys() & now.keys()
    names = sorted({name for _, name in counts_before | counts_now})
    return changes | {
        "counts": {
            split: {name: [counts_before[split, name], counts_now[split, name]] for name in names}
            for split in SPLITS
        },
        "new": sum(now[sha256]["split"] != LEFT_OUT for sha256 in now.keys() - in_both),
        "gone": sum(before[sha256]["split"] != LEFT_OUT for sha256 in before.keys() - in_both),
        "relabelled": sum(before[sha256]["labels"] != now[sha256]["labels"] for sha256 in in_both),
        "moved": sum(before[sha256]["split"] != now[sha256]["split"] for sha256 in in_both),
    }


def earlier_index_url(dataset: Dataset, fingerprint: str | None) -> str | None:
    """The index of another dataset of the same store; None where it is unknown or removed."""
    if not fingerprint:
        return None
    index_url = storage.index_url(storage.dataset_url(storage.store_of(dataset.url), fingerprint))
    return index_url if storage.exists(index_url) else None


def read_usable(index_url: str, columns: Sequence[str]) -> list[Row]:
    """Rows of an index for images that could be decoded. Older indexes lack `group` and `pixels_sha256`."""
    table = storage.read_table(index_url)
    names = [name for name in ("status", *columns) if name in table.column_names]
    return [row for row in table.select(names).to_pylist() if row["status"] == "ok"]


def values_of(rows: Sequence[Row], *columns: str) -> set[Any]:
    """All values that the rows have in these columns, as far as there are any."""
    return {row.get(name) for row in rows for name in columns} - {None}


def has_hash(row: Row, hashes: set[str]) -> bool:
    """Whether the image's bytes or its pixels have one of these hashes."""
    return any(row.get(name) in hashes for name in HASHES)


def by_content(index_url: str) -> tuple[dict[str, Row], Counter[tuple[str, str]]]:
    """Usable images by the hash of their bytes, and how many there are of each (split, label).

    Of images with the same bytes, one in a split stands before one that was left out; `labels` are those of
    all of them, since of a picture under two labels a person corrects one, perhaps of a copy left out.
    """
    images: dict[str, Row] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for row in read_usable(index_url, ("sha256", "label", "split")):
        if row["split"] not in (*SPLITS, LEFT_OUT):
            continue
        earlier = images.get(row["sha256"], row)
        shown = earlier if row["split"] == LEFT_OUT else row
        images[row["sha256"]] = shown | {"labels": earlier.get("labels", set()) | {row["label"]}}
        counts[row["split"], row["label"]] += 1
    return images, counts
