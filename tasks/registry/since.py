"""Since the champion was trained: which test images it never saw, and what changed in the data."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks import storage
from tasks.dataset import Dataset

SPLITS, LEFT_OUT = ("train", "val", "test"), "leaked"
Content = dict[str, tuple[str, str]]


TRAINED = ("train", "val")
CONTENT = ("sha256", "pixels_sha256")
Row = Mapping[str, Any]


def unseen_tests(dataset: Dataset, trained_on: str | None) -> np.ndarray | None:
    """Which test images a model of the dataset `trained_on` never saw; None where that is no longer known.

    bool [test images], in the order of `dataset.split("test")`. Seen is what shows a picture that was in
    train or val there: the same bytes, the same pixels, or a near copy by the groups of either dataset. A
    near copy of a picture that today's dataset lacks is not noticed.
    """
    url = storage.index_url(storage.beside(dataset.url, trained_on)) if trained_on else ""
    if not url or not storage.exists(url):
        return None
    then, now = usable(url), usable(storage.index_url(dataset.url))
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


def data_changes(dataset: Dataset, champion_dataset: str) -> dict[str, Any]:
    """This dataset against the one of fingerprint `champion_dataset`, by the content of the images.

    `kept` says whether that dataset is still in the store; `darkroom clean` may have removed it. If so there
    are also `counts`, {split: {class: [then, now]}}, and how many images are `new`, `gone`, of another label
    (`relabelled`) or in another split (`moved`), to be left out as a copy being one as well.
    """
    changes: dict[str, Any] = {"dataset": champion_dataset, "same": champion_dataset == dataset.fingerprint}
    before_url = storage.index_url(storage.beside(dataset.url, champion_dataset))
    changes["kept"] = changes["same"] or storage.exists(before_url)
    if not changes["same"] and changes["kept"]:
        before, counted_before = contents(before_url)
        now, counted_now = contents(storage.index_url(dataset.url))
        both = before.keys() & now.keys()
        names = sorted({name for _, name in counted_before | counted_now})
        changes |= {
            "counts": {
                split: {name: [counted_before[split, name], counted_now[split, name]] for name in names}
                for split in SPLITS
            },
            "new": sum(now[one][1] != LEFT_OUT for one in now.keys() - both),
            "gone": sum(before[one][1] != LEFT_OUT for one in before.keys() - both),
            "relabelled": sum(before[one][0] != now[one][0] for one in both),
            "moved": sum(before[one][1] != now[one][1] for one in both),
        }
    return changes


def contents(url: str) -> tuple[Content, Counter[tuple[str, str]]]:
    """Label and split of every usable image by the hash of its bytes, and how many each split has of each.

    Of images with the same bytes one that is left out does not hide one that is used.
    """
    found, counted = Content(), Counter[tuple[str, str]]()
    columns = storage.read_table(url, ["sha256", "label", "split", "status"]).to_pydict().values()
    for sha256, label, split, status in zip(*columns, strict=True):
        if status == "ok" and (split in SPLITS or (split == LEFT_OUT and sha256 not in found)):
            found[sha256] = (label, split)
            counted[split, label] += 1
    return found, counted
