"""Decodes a manifest part by part on Ray; parts that an earlier dataset decoded are copied from it."""

import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset.decode import read_images
from tasks.dataset.looks import THUMBNAIL_PX, describe_picture
from tasks.dataset.manifest import part_files, part_key, previous_dataset, success_of
from tasks.dataset.records import Manifest
from tasks.pictures import UNREADABLE, ImageError, decode_image
from tasks.storage import FileEntry

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class PartToDecode:
    """A part of a manifest, and the part of an earlier dataset that holds the same images, if there is one.

    key: names the files of the part (see `part_key`). same_folder: whether the earlier dataset is of the same
    folder of images; files of another may have equal names, sizes and times, but other content.
    """

    manifest: Manifest
    number: int
    key: str
    earlier_dataset: str | None = None
    earlier_number: int = 0
    same_folder: bool = True

    @property
    def pixels_url(self) -> str:
        return storage.pixels_url(self.manifest.dataset_url, self.number)

    @property
    def side_car_url(self) -> str:
        return storage.side_car_url(self.manifest.dataset_url, self.number)

    @property
    def begun_url(self) -> str:
        return storage.begun_decoding_url(self.manifest.dataset_url, self.number)


@dataclass(frozen=True)
class DecodedPart:
    """Counts of a part that is decoded: its files, how many of them are bad, and whether this run did it."""

    images: int
    bad: int
    decoded: bool


def plan_parts(manifest: Manifest) -> list[PartToDecode]:
    """The parts of a manifest, to be decoded or copied; none when its dataset is committed.

    A committed dataset in which some files were unreadable is opened again, for another try at them.
    """
    if storage.exists(storage.success_url(manifest.dataset_url)):
        success = success_of(manifest.dataset_url)
        if success and is_whole(manifest) and not success.get("unreadable"):
            return []
        storage.remove(storage.success_url(manifest.dataset_url))
    earlier_dataset = previous_dataset(storage.store_of(manifest.dataset_url), manifest.size_px)
    earlier = (earlier_dataset and success_of(earlier_dataset)) or {"parts": []}
    numbers = {key: number for number, key in enumerate(earlier["parts"])}
    same_folder = earlier.get("root") == manifest.images_url
    return [
        PartToDecode(manifest, number, key, earlier_dataset, numbers[key], same_folder)
        if key in numbers and earlier_dataset
        else PartToDecode(manifest, number, key)
        for number, key in enumerate(part_keys(manifest))
    ]


def is_whole(manifest: Manifest) -> bool:
    """Whether a committed dataset still has its index and all of its parts; a lost one is told of."""
    sizes = storage.sizes(storage.shards_url(manifest.dataset_url))
    names = [
        storage.name_of(url(manifest.dataset_url, part))
        for part in range(manifest.parts)
        for url in (storage.pixels_url, storage.side_car_url)
    ]
    lost = [name for name in names if not sizes.get(name)]
    if lost:
        log.warning("%s of %s parts are lost and made again: %s", len(lost), len(names), manifest.dataset_url)
    index_url = storage.index_url(manifest.dataset_url)
    return not lost and storage.table_unless_broken(index_url, ["path"]) is not None


def part_keys(manifest: Manifest) -> list[str]:
    """The key of each part, in order."""
    url = storage.manifest_url(manifest.dataset_url)
    return [part_key(part_files(url, part), manifest.size_px) for part in range(manifest.parts)]


@task(
    retries=2, retry_delay_seconds=[2, 10], cache_policy=NO_CACHE, task_run_name="decode part {part.number}"
)
def decode_part(part: PartToDecode) -> DecodedPart:
    """Decode one part of a manifest and commit it, unless it was decoded before."""
    if decoded_part := committed_part(part):
        return decoded_part
    files = part_files(storage.manifest_url(part.manifest.dataset_url), part.number)
    if part.earlier_dataset and (part.same_folder or has_same_content(part, files)):
        with suppress(FileNotFoundError):  # the earlier part was lost
            storage.copy(storage.pixels_url(part.earlier_dataset, part.earlier_number), part.pixels_url)
            storage.copy(storage.side_car_url(part.earlier_dataset, part.earlier_number), part.side_car_url)
        if decoded_part := committed_part(part):
            return decoded_part
    with storage.noting_death(part.begun_url) as died_before, storage.committing(part.pixels_url) as path:
        rows = decode_files(part.manifest.images_url, files, part.manifest.size_px, path, apart=died_before)
    table = pa.Table.from_pylist(rows, schema=SIDE_CAR).replace_schema_metadata({"key": part.key})
    storage.write_table(part.side_car_url, table)
    return DecodedPart(len(files), sum(row["status"] != "ok" for row in rows), decoded=True)


def committed_part(part: PartToDecode) -> DecodedPart | None:
    """The record of a part that is decoded already: its side-car, which is written last, has the same key.

    None otherwise, and where a file was unreadable: it may be readable by now.
    """
    table = storage.table_unless_broken(part.side_car_url)
    if table is None or (table.schema.metadata or {}).get(b"key") != part.key.encode():
        return None
    if not storage.exists(part.pixels_url) or storage.size(part.pixels_url) < pixel_bytes(part, len(table)):
        return None
    statuses = table["status"].to_pylist()
    if UNREADABLE in statuses:
        return None
    bad = sum(status != "ok" for status in statuses)
    return DecodedPart(len(table), bad, decoded=False)


def pixel_bytes(part: PartToDecode, files: int) -> int:
    return files * part.manifest.size_px**2 * 3


def has_same_content(part: PartToDecode, files: Sequence[FileEntry]) -> bool:
    """Whether the files of a part are, byte for byte, those that the earlier part was decoded from."""
    url = storage.side_car_url(str(part.earlier_dataset), part.earlier_number)
    side_car = storage.table_unless_broken(url, ["sha256"])
    if side_car is None or len(side_car) != len(files):
        return False
    contents = read_images(part.manifest.images_url, files)
    return all(
        isinstance(content, bytes) and hashlib.sha256(content).hexdigest() == expected
        for content, expected in zip(contents, side_car["sha256"].to_pylist(), strict=True)
    )


def decode_files(
    images_url: str, files: Sequence[FileEntry], size_px: int, path: str, apart: bool = False
) -> list[dict]:
    """Decode `files` into the .npy file `path`, uint8 [files, size_px, size_px, 3]; bad files become zeros.

    Returns one row of the side-car per file, in order. The file is mapped, so that memory does not grow
    with the number of files. apart: decode all in another process, as after a death that one may have caused.
    """
    pixels = storage.new_array(path, np.uint8, (len(files), size_px, size_px, 3))
    rows = [
        {"path": file.path} | _decode_into(out, content, apart)
        for file, out, content in zip(files, pixels, read_images(images_url, files), strict=True)
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


def _decode_into(out: np.ndarray, content: bytes | ImageError, apart: bool) -> dict:
    """Write the pixels of one file to `out` and return its row without the path."""
    row: dict = {"sha256": hashlib.sha256(content).hexdigest()} if isinstance(content, bytes) else {}
    try:
        if isinstance(content, ImageError):
            raise content
        decoded = decode_image(content, out.shape[0], apart)
    except ImageError as error:
        return row | {"status": error.status, "reason": error.reason}
    out[:] = decoded.pixels
    size = {"width": decoded.width, "height": decoded.height}
    return row | {"status": "ok"} | size | describe_picture(decoded.pixels)
