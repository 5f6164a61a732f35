"""Which of today's test images an older model was not trained on: only those can judge it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks import storage
from tasks.dataset.index import Shards, index_url

TRAINED = ("train", "val")
CONTENT = ("sha256", "pixels_sha256")

Row = Mapping[str, Any]


def unseen_tests(shards: Shards, trained_on: str | None) -> np.ndarray | None:
    """Which test images a model of the dataset `trained_on` never saw; None where that is no longer known.

    bool [test images], in the order of `Split(shards, "test")`. Seen is what shows a picture that was in
    train or val there: the same bytes, the same pixels, or a near copy by the groups of either dataset. A
    near copy of a picture that today's dataset lacks is not noticed.
    """
    url = index_url(storage.beside(shards.dataset, trained_on)) if trained_on else ""
    if not url or not storage.exists(url):
        return None
    then, now = usable(url), usable(index_url(shards.dataset))
    shown = {row.get("group") for row in then if row["split"] in TRAINED} - {None}
    trained = [row for row in then if row["split"] in TRAINED or row.get("group") in shown]
    content = {row.get(name) for row in trained for name in CONTENT} - {None}
    seen = [any(row.get(name) in content for name in CONTENT) for row in now]
    groups = {row.get("group") for row, known in zip(now, seen, strict=True) if known} - {None}
    return np.array(
        [
            not known and row.get("group") not in groups
            for row, known in zip(now, seen, strict=True)
            if row["split"] == "test"
        ],
        bool,
    )


def usable(index: str) -> list[Row]:
    """Rows of the images that could be decoded; an older index may lack `group` and `pixels_sha256`."""
    table = storage.read_table(index)
    names = [name for name in ("status", "split", "group", *CONTENT) if name in table.column_names]
    return [row for row in table.select(names).to_pylist() if row["status"] == "ok"]
