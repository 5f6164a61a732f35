"""What changed in the data since the champion was trained."""

from collections import Counter
from typing import Any

from tasks import storage
from tasks.dataset.index import Shards, index_url

SPLITS, LEFT_OUT = ("train", "val", "test"), "leaked"

Content = dict[str, tuple[str, str]]


def data_changes(shards: Shards, champion_dataset: str) -> dict[str, Any]:
    """This dataset against the one of fingerprint `champion_dataset`, by the content of the images.

    `kept` says whether that dataset is still in the store; `darkroom clean` may have removed it. If so there
    are also `counts`, {split: {class: [then, now]}}, and how many images are `new`, `gone`, of another label
    (`relabelled`) or in another split (`moved`), to be left out as a copy being one as well.
    """
    changes: dict[str, Any] = {"dataset": champion_dataset, "same": champion_dataset == shards.fingerprint}
    before_url = index_url(storage.beside(shards.dataset, champion_dataset))
    changes["kept"] = changes["same"] or storage.exists(before_url)
    if not changes["same"] and changes["kept"]:
        before, counted_before = contents(before_url)
        now, counted_now = contents(index_url(shards.dataset))
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
