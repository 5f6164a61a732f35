"""Manifest to uint8 dataset, part by part on Ray; what was decoded before is taken over."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset.decode import UNREADABLE, ImageError, decode_image, read_images
from tasks.dataset.looks import THUMBNAIL_PX, look_at
from tasks.dataset.manifest import part_files, part_key, previous_dataset
from tasks.dataset.records import Manifest
from tasks.storage import FileEntry


@dataclass(frozen=True)
class Part:
    """One part of a manifest to be decoded, and which part of an earlier dataset holds the same, if any."""

    manifest: Manifest
    number: int
    key: str
    earlier_dataset: str | None = None
    earlier_number: int = 0

    @property
    def pixels_url(self) -> str:
        return storage.pixels_url(self.manifest.dataset_url, self.number)

    @property
    def side_car_url(self) -> str:
        return storage.side_car_url(self.manifest.dataset_url, self.number)


@dataclass(frozen=True)
class PartDone:
    """`decoded` unless the part was taken over from earlier work."""

    images: int
    bad: int
    decoded: bool


def plan_parts(manifest: Manifest) -> list[Part]:
    """The parts to decode or take over; none when this very dataset is committed and every file was read."""
    success = storage.success_url(manifest.dataset_url)
    if storage.exists(success):
        if not storage.read_json(success).get("unreadable"):
            return []
        storage.remove(success)
    earlier = previous_dataset(storage.store_of(manifest.dataset_url), manifest.size_px)
    keys = storage.read_json(storage.success_url(earlier))["parts"] if earlier else []
    numbers = {key: number for number, key in enumerate(keys)}
    return [
        Part(manifest, number, key, earlier, numbers[key])
        if key in numbers and earlier
        else Part(manifest, number, key)
        for number, key in enumerate(part_keys(manifest))
    ]


def part_keys(manifest: Manifest) -> list[str]:
    url = storage.manifest_url(manifest.dataset_url)
    return [part_key(part_files(url, part), manifest.size_px) for part in range(manifest.parts)]


@task(
    retries=2, retry_delay_seconds=[2, 10], cache_policy=NO_CACHE, task_run_name="decode part {part.number}"
)
def decode_part(part: Part) -> PartDone:
    """Decode one part of the manifest, unless it was decoded before."""
    if done := committed_part(part):
        return done
    if part.earlier_dataset:
        storage.copy(storage.pixels_url(part.earlier_dataset, part.earlier_number), part.pixels_url)
        storage.copy(storage.side_car_url(part.earlier_dataset, part.earlier_number), part.side_car_url)
        if done := committed_part(part):
            return done
    files = part_files(storage.manifest_url(part.manifest.dataset_url), part.number)
    with storage.committing(part.pixels_url) as path:
        rows = decode_files(part.manifest.root, files, part.manifest.size_px, path)
    table = pa.Table.from_pylist(rows, schema=SIDE_CAR).replace_schema_metadata({"key": part.key})
    storage.write_table(part.side_car_url, table)
    return PartDone(len(files), sum(row["status"] != "ok" for row in rows), decoded=True)


def committed_part(part: Part) -> PartDone | None:
    """The record of a part whose side-car, written last, was made from the same files and options.

    None where a file could not be read: what was in the way may have gone.
    """
    if not storage.exists(part.side_car_url):
        return None
    table = storage.read_table(part.side_car_url)
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
        decoded = decode_image(content, out.shape[0])
    except ImageError as error:
        return row | {"status": error.status, "reason": error.reason}
    out[:] = decoded.pixels
    size = {"width": decoded.width, "height": decoded.height}
    return row | {"status": "ok"} | size | look_at(decoded.pixels)
