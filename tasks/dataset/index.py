"""Decoded parts to a committed dataset: index, settled splits, and the reader that training uses."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset.decode import UNREADABLE
from tasks.dataset.duplicates import find_copies
from tasks.dataset.manifest import PARTS_VERSION, Manifest, manifest_url
from tasks.dataset.parts import SIDE_CAR, THUMBNAIL_PX, PartDone, part_keys, part_url, success_url
from tasks.dataset.splits import MOST_LEFT_OUT, RANKS, settle_splits
from tasks.errors import InputError, JobError

BAD_SHOWN = 5
INDEXED = [name for name in SIDE_CAR.names if name != "thumbnail"]

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
        for folder in ("shards", "features"):
            storage.sweep(storage.join(manifest.dataset, folder))
        storage.write_json(
            success_url(manifest.dataset),
            {
                "committed": datetime.now(UTC).isoformat(),
                "size_px": manifest.size_px,
                "decoder": PARTS_VERSION,
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
    """One row a file, sorted by path: what the manifest and the side-cars say, part, row, settled split.

    group: the number of the first row that shows the same picture; null for bad files. leak: `exact` or
    `near` where a row of a split that judges this one's matches it; else null.
    """
    tables = []
    for part in range(manifest.parts):
        side_car = storage.read_table(f"{part_url(manifest.dataset, part)}.parquet", INDEXED)
        side_car = side_car.replace_schema_metadata(None)
        side_car = side_car.append_column("part", pa.array([part] * len(side_car), pa.int32()))
        tables.append(side_car.append_column("row", pa.array(range(len(side_car)), pa.int32())))
    listed = storage.read_table(manifest_url(manifest.dataset), ["label", "split"])
    decoded = pa.concat_tables(tables)
    for name in listed.column_names:
        decoded = decoded.append_column(name, listed[name])
    decoded = decoded.sort_by("path")
    decoded = with_copies(manifest.dataset, decoded)
    rows = decoded.select(["status", "sha256", "group", "leak", "label", "split"]).to_pylist()
    splits = settle_splits(rows, manifest.val_share, manifest.leakage)
    return decoded.set_column(decoded.column_names.index("split"), "split", pa.array(splits, pa.string()))


def with_copies(dataset: str, decoded: pa.Table) -> pa.Table:
    """An index with its columns `group` and `leak`."""
    good = np.flatnonzero(np.array(decoded["status"]) == "ok")
    usable = decoded.select(["part", "row", "pixels_sha256", "perceptual_hash", "split"]).take(good)
    part, row, hashes = (usable[name].to_numpy() for name in ("part", "row", "perceptual_hash"))
    ranks = np.array([RANKS[split] for split in usable["split"].to_pylist()], np.int64)

    def thumbnails(images: np.ndarray) -> np.ndarray:
        found = np.zeros((len(images), THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
        for index in np.unique(part[images]):
            wanted = np.flatnonzero(part[images] == index)
            side_car = storage.read_table(f"{part_url(dataset, index)}.parquet", ["thumbnail"])
            data = b"".join(side_car["thumbnail"].take(row[images[wanted]]).to_pylist())
            found[wanted] = np.frombuffer(data, np.uint8).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
        return found

    pixels = usable["pixels_sha256"].combine_chunks().dictionary_encode().indices.to_numpy()
    copies = find_copies(pixels, hashes, ranks, thumbnails)
    group = np.full(len(decoded), -1)
    group[good] = good[copies.group]
    leak = np.full(len(decoded), "", "<U5")
    leak[good] = np.select([ranks < copies.exact, ranks < copies.near], ["exact", "near"], "")
    decoded = decoded.append_column("group", pa.array(group, mask=group < 0))
    return decoded.append_column("leak", pa.array(leak, pa.string(), mask=leak == ""))


def check_splits(shards: Shards) -> None:
    """Raise InputError unless every class can be trained and there are images to validate and test on."""
    columns = ["label", "split", "status", "leak"]
    index = storage.read_table(index_url(shards.dataset), columns).to_pylist()
    rows = [row for row in index if row["status"] == "ok"]
    check_left_out(shards.root, rows)
    trained = Counter(row["label"] for row in rows if row["split"] == "train")
    if missing := [name for name in shards.classes if not trained[name]]:
        raise InputError(
            "Every class must have a training image that can be decoded and lies in no other split. "
            f"Received none for {', '.join(missing)} in {shards.root!r}: give it others, or pass "
            "`leakage` report to train on copies of test images all the same."
        )
    if not shards.counts["test"]:
        raise InputError(
            f"The test split must have an image that can be decoded. Received none in {shards.root!r}."
        )
    if not shards.counts["val"]:
        raise InputError(
            "The validation split must have an image that can be decoded. Received none, and no class of "
            f"{shards.root!r} has training images to spare that do not look alike: put some of each class "
            "into `val/<class>/`."
        )


def check_left_out(root: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError where so many images nearly match what judges them that they are no copies."""
    near = sum(row["split"] == "leaked" and row["leak"] == "near" for row in rows)
    learnt = sum(row["split"] != "test" for row in rows)
    if near > MOST_LEFT_OUT * learnt:
        raise InputError(
            f"At most {MOST_LEFT_OUT:.0%} of the training and validation images may be left out as near "
            f"copies of those that judge them. Received {near:,} of {learnt:,} in {root!r}: the scenes look "
            "alike, as before a fixed camera. Split them by place or time, or pass `leakage` report to train "
            "on all of them; what is tested will look better than it is, and the gate promotes nothing then."
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
    """The usable images of one split or of several, memory-mapped: `len`, `labels` and `take`.

    looks: brightness, sharpness and original size (pixels of a square as large), float [images].
    """

    def __init__(self, shards: Shards, *splits: str):
        columns = ["path", "label", "part", "row", "status", "split", "width", "height"]
        table = storage.read_table(index_url(shards.dataset), [*columns, "brightness", "sharpness"])
        rows = [row for row in table.to_pylist() if row["split"] in splits and row["status"] == "ok"]
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
