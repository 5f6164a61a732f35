"""Decoded parts to a committed dataset: index, settled splits, and the reader that training uses."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.errors import InputError, JobError
from tasks.images import UNREADABLE
from tasks.manifest import DECODER_VERSION, Manifest, manifest_url
from tasks.shards import PartDone, part_keys, part_url, success_url

BAD_SHOWN = 5

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class Shards:
    """A committed dataset: decoded parts and the index that says what each row is."""

    dataset: str
    fingerprint: str
    root: str
    classes: tuple[str, ...]
    size_px: int
    counts: dict[str, int]
    unlabelled: int
    bad: int
    decoded: int
    reused: int


@task(cache_policy=NO_CACHE, task_run_name="commit dataset")
def commit_shards(manifest: Manifest, done: Sequence[PartDone], max_bad_share: float) -> Shards:
    """Settle the splits by content and commit the dataset; refuse one with too many bad files."""
    if storage.exists(success_url(manifest.dataset)):
        check_bad_share(storage.read_table(index_url(manifest.dataset)), max_bad_share)
    else:
        index = build_index(manifest)
        check_bad_share(index, max_bad_share)
        storage.write_table(index_url(manifest.dataset), index)
        storage.sweep(storage.join(manifest.dataset, "shards"))
        storage.write_json(
            success_url(manifest.dataset),
            {
                "committed": datetime.now(UTC).isoformat(),
                "size_px": manifest.size_px,
                "decoder": DECODER_VERSION,
                "unreadable": index["status"].to_pylist().count(UNREADABLE),
                "parts": part_keys(manifest),
            },
        )
    shards = read_shards(manifest, sum(part.images for part in done if part.decoded))
    log.info(
        "Dataset %s: %s, %s bad; %s files decoded now, %s taken over",
        shards.fingerprint,
        ", ".join(f"{count:,} {split}" for split, count in shards.counts.items()),
        f"{shards.bad:,}",
        f"{shards.decoded:,}",
        f"{shards.reused:,}",
    )
    return shards


def index_url(dataset: str) -> str:
    return storage.join(dataset, "index.parquet")


def read_shards(manifest: Manifest, decoded: int) -> Shards:
    table = storage.read_table(index_url(manifest.dataset), ["split", "status"])
    usable = [row["split"] for row in table.to_pylist() if row["status"] == "ok"]
    return Shards(
        dataset=manifest.dataset,
        fingerprint=manifest.fingerprint,
        root=manifest.root,
        classes=manifest.classes,
        size_px=manifest.size_px,
        counts={split: usable.count(split) for split in ("train", "val", "test")},
        unlabelled=manifest.unlabelled,
        bad=len(table) - len(usable),
        decoded=decoded,
        reused=len(table) - decoded,
    )


def build_index(manifest: Manifest) -> pa.Table:
    """One row a file, sorted by path: what the manifest and the side-cars say, part, row, settled split."""
    tables = []
    for part in range(manifest.parts):
        side_car = storage.read_table(f"{part_url(manifest.dataset, part)}.parquet")
        side_car = side_car.replace_schema_metadata(None)
        side_car = side_car.append_column("part", pa.array([part] * len(side_car), pa.int32()))
        tables.append(side_car.append_column("row", pa.array(range(len(side_car)), pa.int32())))
    listed = storage.read_table(manifest_url(manifest.dataset), ["label", "split"])
    decoded = pa.concat_tables(tables)
    for name in listed.column_names:
        decoded = decoded.append_column(name, listed[name])
    decoded = decoded.sort_by("path")
    splits = settle_splits(
        decoded.select(["status", "sha256", "label", "split"]).to_pylist(), manifest.val_share
    )
    return decoded.set_column(decoded.column_names.index("split"), "split", pa.array(splits, pa.string()))


def settle_splits(rows: Sequence[dict], val_share: float) -> list[str]:
    """Give every row its final split: train, val, test or `leaked`.

    A training or validation file whose bytes also stand in test (or, for training, in a validation folder
    of the user's) is leaked: nothing trains on it. Where the user gave no validation split, train files
    whose content hash falls below `val_share` form it, so that a file never changes side when others
    arrive and duplicates stay together. A class that this leaves without a validation file gives the one
    of lowest hash, unless that is its last; such a small class may give another one when it grows.
    """
    held = {
        split: {row["sha256"] for row in rows if row["split"] == split} - {None} for split in ("val", "test")
    }
    out = {"train": held["val"] | held["test"], "val": held["test"], "test": set()}
    splits = ["leaked" if row["sha256"] in out[row["split"]] else row["split"] for row in rows]
    if "val" in splits:
        return splits
    drawn = _drawn(
        [row for row, split in zip(rows, splits, strict=True) if split == "train" and row["status"] == "ok"],
        val_share,
    )
    return [
        "val" if split == "train" and row["sha256"] in drawn else split
        for row, split in zip(rows, splits, strict=True)
    ]


def _drawn(rows: Sequence[dict], val_share: float) -> set[str]:
    """The content hashes that go to validation: those below the share, and one at least of each class."""
    contents: dict[str, set[str]] = {}
    for row in rows:
        contents.setdefault(row["label"], set()).add(row["sha256"])
    drawn = {
        content
        for found in contents.values()
        for content in found
        if int(content[:8], 16) < val_share * 2**32
    }
    for found in contents.values():
        if found <= drawn:
            drawn.discard(max(found))
        if len(found) > 1 and not found & drawn:
            drawn.add(min(found))
    return drawn


def check_splits(shards: Shards) -> None:
    """Raise InputError unless every class can be trained and there are images to validate and test on."""
    rows = storage.read_table(index_url(shards.dataset), ["label", "split", "status"]).to_pylist()
    trained = Counter(row["label"] for row in rows if row["split"] == "train" and row["status"] == "ok")
    if missing := [name for name in shards.classes if not trained[name]]:
        raise InputError(
            "Every class must have a training image that can be decoded and lies in no other split. "
            f"Received none for {', '.join(missing)} in {shards.root!r}."
        )
    for split in ("val", "test"):
        if not shards.counts[split]:
            raise InputError(
                f"The {split} split must have an image that can be decoded. Received none in {shards.root!r}."
            )


def check_bad_share(index: pa.Table, max_bad_share: float) -> None:
    bad = [row for row in index.select(["path", "status", "reason"]).to_pylist() if row["status"] != "ok"]
    if len(bad) > max_bad_share * len(index):
        first = "; ".join(f"{row['path']}: {row['status']}, {row['reason']}" for row in bad[:BAD_SHOWN])
        raise JobError(
            f"At most {max_bad_share:.0%} of the files may be bad (`max_bad_share`). "
            f"Received {len(bad):,} bad of {len(index):,}: {first}{' ...' if len(bad) > BAD_SHOWN else ''}"
        )


class Split:
    """The usable images of one split, memory-mapped: `len`, `labels` and `take`.

    looks: brightness, sharpness and original size (pixels of a square as large), float [images].
    """

    def __init__(self, shards: Shards, split: str):
        columns = ["path", "label", "part", "row", "status", "split", "width", "height"]
        table = storage.read_table(index_url(shards.dataset), [*columns, "brightness", "sharpness"])
        rows = [row for row in table.to_pylist() if row["split"] == split and row["status"] == "ok"]
        number = {name: i for i, name in enumerate(shards.classes)}
        self._shards = shards
        self._part = np.array([row["part"] for row in rows], np.int32)
        self._row = np.array([row["row"] for row in rows], np.int64)
        self.paths = [row["path"] for row in rows]
        self.labels = np.array([number[row["label"]] for row in rows], np.int32)
        self.looks = {name: np.array([row[name] for row in rows]) for name in ("brightness", "sharpness")}
        self.looks["size"] = np.sqrt([row["width"] * row["height"] for row in rows])

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def _parts(self) -> dict[int, np.ndarray]:
        return {
            int(part): np.load(
                storage.local_copy(f"{part_url(self._shards.dataset, int(part))}.npy"), mmap_mode="r"
            )
            for part in np.unique(self._part)
        }

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices` as uint8 [len(indices), size, size, 3]."""
        out = np.empty((len(indices), self._shards.size_px, self._shards.size_px, 3), np.uint8)
        for place, index in enumerate(indices):
            out[place] = self._parts[int(self._part[index])][self._row[index]]
        return out
