"""What is wrong with a dataset: bad files, duplicates, leakage, imbalance."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset import Shards, index_url

log = logging.getLogger("darkroom")

Row = Mapping[str, Any]
SIZES_SHOWN = 20


@task(cache_policy=NO_CACHE, task_run_name="audit")
def audit_shards(shards: Shards) -> str:
    """Write audit.json beside the dataset. Returns its URL."""
    url = storage.join(shards.dataset, "audit.json")
    rows = storage.read_table(index_url(shards.dataset)).to_pylist()
    found = audit(rows, shards.classes, shards.unlabelled)
    storage.write_json(url, found)
    counts = found["counts"]
    log.info(
        "Audit: %s files, bad: %s, sets of exact duplicates: %s, left out of training as leaked: %s",
        *(f"{counts[name]:,}" for name in ("files", "bad", "duplicates", "leaked")),
    )
    return url


def audit(rows: Sequence[Row], classes: Sequence[str], unlabelled: int) -> dict[str, Any]:
    """The whole audit.json of the index rows of a dataset."""
    usable = [row for row in rows if row["status"] == "ok"]
    bad = [
        {"path": row["path"], "status": row["status"], "reason": row["reason"]}
        for row in rows
        if row["status"] != "ok"
    ]
    duplicates = exact_duplicates(usable)
    return {
        "counts": {
            "files": len(rows),
            "ok": len(usable),
            "bad": len(bad),
            "unlabelled": unlabelled,
            "duplicates": len(duplicates),
            "leaked": sum(row["split"] == "leaked" for row in usable),
        },
        "splits": split_counts(usable, classes),
        "bad": bad,
        "duplicates": duplicates,
        "sizes": [
            {"width": width, "height": height, "images": images}
            for (width, height), images in Counter(
                (row["width"], row["height"]) for row in usable
            ).most_common(SIZES_SHOWN)
        ],
    }


def split_counts(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Usable images of each class in each split, classes in their order."""
    counted = Counter((row["split"], row["label"]) for row in rows)
    return {
        split: {name: counted[split, name] for name in classes}
        for split in ("train", "val", "test")
        if any(counted[split, name] for name in classes)
    }


def exact_duplicates(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Groups of files with the same bytes, in the order of their first path."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["sha256"], []).append(row)
    return [
        {
            "paths": [row["path"] for row in group],
            "kind": "exact",
            "across_splits": len({"train" if row["split"] == "leaked" else row["split"] for row in group})
            > 1,
            "labels_conflict": len({row["label"] for row in group}) > 1,
        }
        for group in groups.values()
        if len(group) > 1
    ]
