"""Manifest to uint8 shards, part by part on Ray, and the reader that training and evaluation use."""

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import cv2
import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.errors import JobError
from tasks.images import ImageError, decode
from tasks.manifest import (
    DECODER_VERSION,
    Manifest,
    manifest_url,
    part_files,
    part_key,
    previous_dataset,
)
from tasks.storage import FileEntry

BAD_SHOWN = 5

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class Part:
    """One part of a manifest to be decoded, and where an earlier dataset holds the same, if it does."""

    manifest: Manifest
    index: int
    key: str
    earlier: str | None


@dataclass(frozen=True)
class PartDone:
    """`decoded` unless the part was taken over from earlier work."""

    images: int
    bad: int
    decoded: bool


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


def plan_parts(manifest: Manifest) -> list[Part]:
    """The parts to decode or take over; none when this very dataset is committed already."""
    if storage.exists(success_url(manifest.dataset)):
        return []
    store = manifest.dataset.rsplit("/", 2)[0]
    earlier = previous_dataset(store, manifest.size_px)
    known = storage.read_json(success_url(earlier))["parts"] if earlier else []
    places = {key: part_url(earlier, index) for index, key in enumerate(known)} if earlier else {}
    return [Part(manifest, index, key, places.get(key)) for index, key in enumerate(part_keys(manifest))]


def part_keys(manifest: Manifest) -> list[str]:
    url = manifest_url(manifest.dataset)
    return [part_key(part_files(url, part), manifest.size_px) for part in range(manifest.parts)]


def success_url(dataset: str) -> str:
    return storage.join(dataset, "_SUCCESS")


def index_url(dataset: str) -> str:
    return storage.join(dataset, "index.parquet")


def part_url(dataset: str, index: int) -> str:
    return storage.join(dataset, "shards", f"part-{index:05d}")


@task(retries=2, retry_delay_seconds=[2, 10], cache_policy=NO_CACHE, task_run_name="decode part {part.index}")
def decode_part(part: Part) -> PartDone:
    """Decode one part of the manifest into a shard, unless it was decoded before."""
    url = part_url(part.manifest.dataset, part.index)
    if done := committed_part(url, part):
        return done
    if part.earlier:
        storage.copy(f"{part.earlier}.npy", f"{url}.npy")
        storage.copy(f"{part.earlier}.parquet", f"{url}.parquet")
        if done := committed_part(url, part):
            return done
    files = part_files(manifest_url(part.manifest.dataset), part.index)
    with storage.committing(f"{url}.npy") as path:
        rows = decode_files(part.manifest.root, files, part.manifest.size_px, path)
    table = pa.Table.from_pylist(rows, schema=SIDE_CAR).replace_schema_metadata({"key": part.key})
    storage.write_table(f"{url}.parquet", table)
    return PartDone(len(files), sum(row["status"] != "ok" for row in rows), decoded=True)


def committed_part(url: str, part: Part) -> PartDone | None:
    """The record of a part whose side-car, written last, was made from the same files and options."""
    if not storage.exists(f"{url}.parquet"):
        return None
    table = storage.read_table(f"{url}.parquet")
    if (table.schema.metadata or {}).get(b"key") != part.key.encode():
        return None
    bad = sum(status != "ok" for status in table["status"].to_pylist())
    return PartDone(len(table), bad, decoded=False)


def decode_files(root: str, files: Sequence[FileEntry], size_px: int, path: str) -> list[dict]:
    """Decode `files` into the .npy file `path`, uint8 [files, size_px, size_px, 3]; zeros for bad ones.

    Returns one side-car row a file, in order. Memory stays flat: pixels go straight to the mapped file.
    """
    pixels = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(len(files), size_px, size_px, 3)
    )
    contents = storage.read_ahead([storage.join(root, file.path) for file in files])
    rows = [
        {"path": file.path} | _decode_into(out, data)
        for file, out, data in zip(files, pixels, contents, strict=True)
    ]
    pixels.flush()
    return rows


SIDE_CAR = pa.schema(
    {
        "path": pa.string(),
        "status": pa.string(),
        "reason": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
        "sha256": pa.string(),
        "perceptual_hash": pa.uint64(),
        "brightness": pa.float32(),
        "sharpness": pa.float32(),
    }
)


def _decode_into(out: np.ndarray, data: bytes | OSError) -> dict:
    if isinstance(data, OSError):
        return {"status": "unreadable", "reason": str(data)}
    row: dict = {"sha256": hashlib.sha256(data).hexdigest()}
    try:
        decoded = decode(data, out.shape[0])
    except ImageError as error:
        return row | {"status": error.status, "reason": error.reason}
    out[:] = decoded.pixels
    grey = cv2.cvtColor(decoded.pixels, cv2.COLOR_RGB2GRAY)
    return row | {
        "status": "ok",
        "width": decoded.width,
        "height": decoded.height,
        "perceptual_hash": perceptual_hash(grey),
        "brightness": cv2.mean(grey)[0] / 255.0,
        "sharpness": sharpness(grey),
    }


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian. Source: Pech-Pacheco et al. 2000, "Diatom autofocusing"."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))
    return float(deviation.item() ** 2)


def perceptual_hash(grey: np.ndarray) -> int:
    """64-bit pHash of a grey picture: signs of its lowest 8x8 DCT terms about their median.

    Source: Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions".
    """
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    return int.from_bytes(np.packbits(low > np.partition(low, 31)[31]).tobytes(), "big")


@task(cache_policy=NO_CACHE)
def commit_shards(manifest: Manifest, done: Sequence[PartDone], max_bad_share: float) -> Shards:
    """Settle the splits by content and commit the dataset; refuse one with too many bad files."""
    started = time.monotonic()
    if not storage.exists(success_url(manifest.dataset)):
        index = build_index(manifest)
        check_bad_share(index, max_bad_share)
        storage.write_table(index_url(manifest.dataset), index)
        storage.write_json(
            success_url(manifest.dataset),
            {
                "committed": datetime.now(UTC).isoformat(),
                "size_px": manifest.size_px,
                "decoder": DECODER_VERSION,
                "parts": part_keys(manifest),
            },
        )
    shards = read_shards(manifest, sum(part.images for part in done if part.decoded))
    log.info(
        "Dataset %s: %s, %s bad; %s files decoded now, %s taken over (%.1f s)",
        shards.fingerprint,
        ", ".join(f"{count:,} {split}" for split, count in shards.counts.items()),
        f"{shards.bad:,}",
        f"{shards.decoded:,}",
        f"{shards.reused:,}",
        time.monotonic() - started,
    )
    return shards


def read_shards(manifest: Manifest, decoded: int) -> Shards:
    table = storage.read_table(index_url(manifest.dataset)).select(["split", "status"])
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
    listed = storage.read_table(manifest_url(manifest.dataset)).select(["label", "split"])
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

    A training file whose bytes also stand in test (or in a validation folder of the user's) is leaked:
    nothing trains on it. Where the user gave no validation split, train files whose content hash falls
    below `val_share` form it, so that a file never changes side when others arrive and duplicates stay
    together. A class that this leaves without any validation file gives the one of lowest hash.
    """
    held_out = {row["sha256"] for row in rows if row["split"] in ("val", "test")} - {None}
    splits = [
        "leaked" if row["split"] == "train" and row["sha256"] in held_out else row["split"] for row in rows
    ]
    if "val" in splits:
        return splits
    drawn = {
        row["sha256"] for row in rows if row["sha256"] and int(row["sha256"][:8], 16) < val_share * 2**32
    }
    lowest: dict[str, str] = {}
    for row, split in zip(rows, splits, strict=True):
        if split == "train" and row["status"] == "ok":
            lowest[row["label"]] = min(row["sha256"], lowest.get(row["label"], "g"))
    drawn |= set(lowest.values())
    return [
        "val" if split == "train" and row["sha256"] in drawn else split
        for row, split in zip(rows, splits, strict=True)
    ]


def check_bad_share(index: pa.Table, max_bad_share: float) -> None:
    bad = [row for row in index.select(["path", "status", "reason"]).to_pylist() if row["status"] != "ok"]
    if len(bad) > max_bad_share * len(index):
        first = "; ".join(f"{row['path']}: {row['status']}, {row['reason']}" for row in bad[:BAD_SHOWN])
        raise JobError(
            f"At most {max_bad_share:.0%} of the files may be bad (`max_bad_share`). "
            f"Received {len(bad):,} bad of {len(index):,}: {first}{' ...' if len(bad) > BAD_SHOWN else ''}"
        )


class Split:
    """The usable images of one split, memory-mapped: `len`, `labels` and `take`."""

    def __init__(self, shards: Shards, split: str):
        columns = ["path", "label", "part", "row", "status", "split"]
        table = storage.read_table(index_url(shards.dataset)).select(columns)
        rows = [row for row in table.to_pylist() if row["split"] == split and row["status"] == "ok"]
        number = {name: i for i, name in enumerate(shards.classes)}
        self._shards = shards
        self._part = np.array([row["part"] for row in rows], np.int32)
        self._row = np.array([row["row"] for row in rows], np.int64)
        self.paths = [row["path"] for row in rows]
        self.labels = np.array([number[row["label"]] for row in rows], np.int32)

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
