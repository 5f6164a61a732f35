"""What is wrong with a dataset: bad files, duplicates, leakage, outliers, imbalance."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.audit.outliers import find_outliers
from tasks.dataset import Dataset
from tasks.storage import Run

log = logging.getLogger("darkroom")

Row = Mapping[str, Any]


@task(cache_policy=NO_CACHE, task_run_name="audit")
def audit_dataset(dataset: Dataset) -> None:
    """Write audit.json beside the dataset."""
    rows = storage.read_table(storage.index_url(dataset.url)).to_pylist()
    found = audit(rows, dataset.classes, dataset.unlabelled)
    storage.write_json(storage.audit_url(dataset.url), found)
    told = ("files", "bad", "exact", "near", "conflicts", "leaked", "leaking")
    log.info(
        "Audit: %s files, bad: %s; sets of exact copies: %s, of near ones: %s, with labels in conflict: %s; "
        "copies of judging images left out: %s, still trained on: %s",
        *(f"{found['counts'][name]:,}" for name in told),
    )


def read_audit(dataset: Dataset, run: Run) -> dict[str, Any]:
    """The audit.json of a dataset with what this run found of its labels: `labels`, `counts.wrong_labels`."""
    found, labels = storage.read_json(storage.audit_url(dataset.url)), storage.read_json(run.labels_url)
    return found | {"labels": labels, "counts": found["counts"] | {"wrong_labels": labels["suspected"]}}


def audit(rows: Sequence[Row], classes: Sequence[str], unlabelled: int) -> dict[str, Any]:
    """The whole audit.json of the index rows of a dataset.

    counts: `duplicates` are sets of files that show one picture, chains of near copies, each counted once;
    `exact` sets have equal pixels, `same_bytes` are those of them with equal bytes; `near` sets hold some
    that are only nearly equal, and an exact set may lie in one. `conflicts` are sets whose files have
    different labels. `leaked` files were left out of training or validation as copies of what judges them,
    `leaked_near` those of them that are only near copies; `leaking` ones were not left out.
    """
    usable = [row for row in rows if row["status"] == "ok"]
    bad = [
        {"path": row["path"], "status": row["status"], "reason": row["reason"]}
        for row in rows
        if row["status"] != "ok"
    ]
    near = near_duplicates(usable)
    exact = exact_duplicates(usable, {path for group in near for path in group["paths"]})
    return {
        "counts": {
            "files": len(rows),
            "ok": len(usable),
            "bad": len(bad),
            "unlabelled": unlabelled,
            "duplicates": sum(len(group) > 1 for group in grouped(usable, "group")),
            "exact": len(exact),
            "same_bytes": sum(group["same_bytes"] for group in exact),
            "near": len(near),
            "conflicts": sum(len({row["label"] for row in rows}) > 1 for rows in grouped(usable, "group")),
            "leaked": sum(row["split"] == "leaked" for row in usable),
            "leaked_near": sum(row["split"] == "leaked" and row["leak"] == "near" for row in usable),
            "leaking": sum(row["split"] != "leaked" and row["leak"] is not None for row in usable),
        },
        "splits": split_counts(usable, classes),
        "balance": imbalance(usable, classes),
        "statuses": dict(Counter(row["status"] for row in rows).most_common()),
        "bad": bad,
        "duplicates": sorted(
            [*exact, *near], key=lambda group: (not group["labels_conflict"], not group["across_splits"])
        ),
        "outliers": find_outliers(usable),
    }


def split_counts(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Usable images of each class in each split, classes in their order."""
    counted = Counter((row["split"], row["label"]) for row in rows)
    return {
        split: {name: counted[split, name] for name in classes}
        for split in ("train", "val", "test")
        if any(counted[split, name] for name in classes)
    }


def imbalance(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:
    """The smallest and the largest class by usable images, and how many times larger that is."""
    counted = Counter(row["label"] for row in rows)
    smallest, largest = min(classes, key=counted.__getitem__), max(classes, key=counted.__getitem__)
    return {
        "smallest": smallest,
        "smallest_images": counted[smallest],
        "largest": largest,
        "largest_images": counted[largest],
        "ratio": round(counted[largest] / max(counted[smallest], 1), 2),
    }


def exact_duplicates(rows: Sequence[Row], near: Collection[str]) -> list[dict[str, Any]]:
    """Sets of files with the same pixels, in the order of their first path.

    near: the paths in near sets; `in_near_set` marks the exact sets that are part of one.
    """
    sets = [group for group in grouped(rows, "pixels_sha256") if len(group) > 1]
    return [_duplicate("exact", group) | {"in_near_set": group[0]["path"] in near} for group in sets]


def near_duplicates(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Sets of files that show nearly the same picture, exact copies among them, in path order."""
    sets = [group for group in grouped(rows, "group") if len({row["pixels_sha256"] for row in group}) > 1]
    return [_duplicate("near", group) | {"in_near_set": False} for group in sets]


def grouped(rows: Sequence[Row], column: str) -> list[list[Row]]:
    """The rows that share a value, the sets in the order of their first rows."""
    sets: dict[Any, list[Row]] = {}
    for row in rows:
        sets.setdefault(row[column], []).append(row)
    return list(sets.values())


def _duplicate(kind: str, group: Sequence[Row]) -> dict[str, Any]:
    sides = {"train" if row["split"] == "leaked" else row["split"] for row in group}
    return {
        "paths": [row["path"] for row in group],
        "kind": kind,
        "same_bytes": len({row["sha256"] for row in group}) == 1,
        "across_splits": len(sides) > 1,
        "labels_conflict": len({row["label"] for row in group}) > 1,
    }
