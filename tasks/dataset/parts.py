"""Manifest to uint8 shards, part by part on Ray; what was decoded before is taken over."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset.decode import UNREADABLE, ImageError, colourfulness, decode, looks, read_images, resize
from tasks.dataset.manifest import (
    Manifest,
    manifest_url,
    part_files,
    part_key,
    previous_dataset,
)
from tasks.storage.folder import FileEntry

HASHED_PX, THUMBNAIL_PX = 32, 16


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


def plan_parts(manifest: Manifest) -> list[Part]:
    """The parts to decode or take over; none when this very dataset is committed and every file was read."""
    success = success_url(manifest.dataset)
    if storage.exists(success):
        if not storage.read_json(success).get("unreadable"):
            return []
        storage.remove(success)
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
    """The record of a part whose side-car, written last, was made from the same files and options.

    None where a file could not be read: what was in the way may have gone.
    """
    if not storage.exists(f"{url}.parquet"):
        return None
    table = storage.read_table(f"{url}.parquet")
    if (table.schema.metadata or {}).get(b"key") != part.key.encode():
        return None
    statuses = table["status"].to_pylist()
    if UNREADABLE in statuses:
        return None
    bad = sum(status != "ok" for status in statuses)
    return PartDone(len(table), bad, decoded=False)


def decode_files(root: str, files: Sequence[FileEntry], size_px: int, path: str) -> list[dict]:
    """Decode `files` into the .npy file `path`, uint8 [files, size_px, size_px, 3]; zeros for bad ones.

    Returns one side-car row a file, in order. Memory stays flat: pixels go straight to the mapped file.
    """
    pixels = storage.new_array(path, np.uint8, (len(files), size_px, size_px, 3))
    rows = [
        {"path": file.path} | _decode_into(out, content)
        for file, out, content in zip(files, pixels, read_images(root, files), strict=True)
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
        "pixels_sha256": pa.string(),
        "perceptual_hash": pa.uint64(),
        "brightness": pa.float32(),
        "sharpness": pa.float32(),
        "colourfulness": pa.float32(),
        "thumbnail": pa.binary(THUMBNAIL_PX**2),
    }
)


def _decode_into(out: np.ndarray, content: bytes | ImageError) -> dict:
    row: dict = {"sha256": hashlib.sha256(content).hexdigest()} if isinstance(content, bytes) else {}
    try:
        if isinstance(content, ImageError):
            raise content
        decoded = decode(content, out.shape[0])
    except ImageError as error:
        return row | {"status": error.status, "reason": error.reason}
    out[:] = decoded.pixels
    size = {"width": decoded.width, "height": decoded.height}
    return row | {"status": "ok"} | size | look_at(decoded.pixels)


def look_at(pixels: np.ndarray) -> dict:
    """What a side-car says of a decoded picture, uint8 RGB [size, size, 3]."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = resize(grey, HASHED_PX)
    return {
        "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "perceptual_hash": perceptual_hash(small),
        **looks(grey),
        "colourfulness": colourfulness(pixels),
        "thumbnail": resize(small, THUMBNAIL_PX).tobytes(),
    }


def perceptual_hash(small: np.ndarray) -> int:
    """64-bit pHash of a grey picture of HASHED_PX: signs of its lowest 8x8 DCT terms about their median.

    Source: Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions".
    """
    low = cv2.dct(small.astype(np.float32))[:8, :8].ravel()
    return int.from_bytes(np.packbits(low > np.partition(low, 31)[31]).tobytes(), "big")
