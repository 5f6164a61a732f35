"""Decodes a manifest part by part on Ray; parts that another dataset of the store holds are copied."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from tasks import storage
from tasks.dataset.attempts import unreadable_files
from tasks.dataset.catalogue import Place, read_catalogue, success_of
from tasks.dataset.decode import read_images
from tasks.dataset.looks import THUMBNAIL_PX, describe_picture
from tasks.dataset.manifest import part_files, part_key, read_parts
from tasks.dataset.records import Manifest
from tasks.parameters import Fit
from tasks.pictures import UNREADABLE, ImageError, captured_at, decode_image
from tasks.storage import FileEntry
from tasks.task_runs import RETRIES, task

MOST_CANDIDATES = 4  # places, since files of equal names in another folder are read to compare them

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class PartToDecode:
    """A part of a manifest, and where other datasets hold the same images, if any does.

    key: names the files of the part (see `part_key`). In another folder, files of equal names, sizes and
    times may have other content. was_committed: whether the dataset was committed before and something of
    it was lost: files that could not be read then stay so. unread_files: these, the reason by the path.
    """

    manifest: Manifest
    number: int
    key: str
    places: Sequence[Place] = ()
    was_committed: bool = False
    unread_files: Mapping[str, str] = field(default_factory=dict)

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

    A committed dataset of which something was lost is made again as it was.
    """
    url = manifest.dataset_url
    was_committed = any(map(storage.exists, (storage.success_url(url), storage.index_url(url))))
    if was_committed and success_of(url) and is_whole(manifest):
        return []
    unread_files = unreadable_files(url) if was_committed else {}
    storage.remove(storage.success_url(url))
    places = read_catalogue(storage.store_of(url), manifest.images_url).places()
    return [
        _part_to_decode(manifest, number, files, places, was_committed, unread_files)
        for number, files in enumerate(read_parts(storage.manifest_url(url)))
    ]


def _part_to_decode(
    manifest: Manifest,
    number: int,
    files: Sequence[FileEntry],
    places: Mapping[str, Sequence[Place]],
    was_committed: bool,
    unread_files: Mapping[str, str],
) -> PartToDecode:
    key = part_key(files, manifest.size_px, manifest.fit)
    unread_files = {file.path: unread_files[file.path] for file in files if file.path in unread_files}
    others = [place for place in places.get(key, ()) if place.dataset_url != manifest.dataset_url]
    # Elsewhere such files may have been readable.
    candidates = [] if unread_files else others[:MOST_CANDIDATES]
    return PartToDecode(manifest, number, key, candidates, was_committed, unread_files)


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


@task(**RETRIES, task_run_name="decode part {part.number}")
def decode_part(part: PartToDecode) -> DecodedPart:
    """Decode one part of a manifest and commit it, unless it was decoded before."""
    if decoded_part := committed_part(part):
        return decoded_part
    files = part_files(storage.manifest_url(part.manifest.dataset_url), part.number)
    if any(take_over_part(part, place, files) for place in part.places):
        return _counted(storage.read_table(part.side_car_url, ["status"]), decoded=False)
    with storage.noting_death(part.begun_url) as died_before, storage.committing(part.pixels_url) as path:
        manifest, store = part.manifest, storage.store_of(part.manifest.dataset_url)
        how = manifest.size_px, path, died_before, part.unread_files, store, manifest.fit
        rows = decode_files(manifest.images_url, files, *how)
    table = pa.Table.from_pylist(rows, schema=SIDE_CAR).replace_schema_metadata({"key": part.key})
    storage.write_table(part.side_car_url, table)
    return _counted(table, decoded=True)


def _counted(side_car: pa.Table, decoded: bool) -> DecodedPart:
    bad = sum(status != "ok" for status in side_car["status"].to_pylist())
    return DecodedPart(len(side_car), bad, decoded)


def committed_part(part: PartToDecode) -> DecodedPart | None:
    """The record of a part that is decoded already: its side-car, which is written last, has the same key.

    None otherwise, and where a file was unreadable: it may be readable by now. But nothing of a committed
    dataset is changed, not even of one that another run has committed meanwhile.
    """
    dataset_url = part.manifest.dataset_url
    side_car = sound_side_car(part, Place(dataset_url, part.number, part.manifest.images_url))
    if side_car is None:
        return None
    is_final = (
        UNREADABLE not in side_car["status"].to_pylist()
        or part.was_committed
        or storage.exists(storage.success_url(dataset_url))
    )
    return _counted(side_car, decoded=False) if is_final else None


def sound_side_car(part: PartToDecode, place: Place) -> pa.Table | None:
    """The side-car at a place; None unless it is of the part's files and the pixels are there, whole."""
    side_car = storage.table_unless_broken(storage.side_car_url(place.dataset_url, place.number))
    if side_car is None or (side_car.schema.metadata or {}).get(b"key") != part.key.encode():
        return None
    pixels_url = storage.pixels_url(place.dataset_url, place.number)
    least_bytes = len(side_car) * part.manifest.size_px**2 * 3
    return side_car if storage.exists(pixels_url) and storage.size(pixels_url) >= least_bytes else None


def take_over_part(part: PartToDecode, place: Place, files: Sequence[FileEntry]) -> bool:
    """Whether a part was copied from a place, where all its files were readable and had the same content.

    False also where the other dataset vanishes meanwhile: `clean` may remove it.
    """
    with suppress(FileNotFoundError):
        side_car = sound_side_car(part, place)
        if side_car is None or UNREADABLE in side_car["status"].to_pylist():
            return False
        if place.images_url != part.manifest.images_url and not has_same_content(part, side_car, files):
            return False
        storage.copy(storage.pixels_url(place.dataset_url, place.number), part.pixels_url)
        storage.copy(storage.side_car_url(place.dataset_url, place.number), part.side_car_url)
        return True
    return False


def has_same_content(part: PartToDecode, side_car: pa.Table, files: Sequence[FileEntry]) -> bool:
    """Whether the files of a part are, byte for byte, those that a side-car tells of."""
    contents = read_images(part.manifest.images_url, files, storage.store_of(part.manifest.dataset_url))
    return all(
        isinstance(content, bytes) and hashlib.sha256(content).hexdigest() == expected
        for content, expected in zip(contents, side_car["sha256"].to_pylist(), strict=True)
    )


def decode_files(
    images_url: str,
    files: Sequence[FileEntry],
    size_px: int,
    path: str,
    apart: bool,
    unread_files: Mapping[str, str],
    store: str,
    fit: Fit = "squeeze",
) -> list[dict]:
    """Decode `files` into the .npy file `path`, uint8 [files, size_px, size_px, 3]; bad files become zeros.

    Returns one row of the side-car per file, in order. The file is mapped, so that memory does not grow
    with the number of files. apart: decode all in another process, as after a death that one may have caused.
    unread_files: files that are not read, but count as unreadable, and why. store: see `read_images`.
    """
    pixels = storage.new_array(path, np.uint8, (len(files), size_px, size_px, 3))
    contents = _contents(images_url, files, unread_files, store)
    rows = [
        {"path": file.path} | _decode_into(out, content, apart, fit)
        for file, out, content in zip(files, pixels, contents, strict=True)
    ]
    pixels.flush()
    return rows


def _contents(
    images_url: str, files: Sequence[FileEntry], unread_files: Mapping[str, str], store: str
) -> Iterator[bytes | ImageError]:
    contents = read_images(images_url, [file for file in files if file.path not in unread_files], store)
    for file in files:
        reason = unread_files.get(file.path)
        yield next(contents) if reason is None else ImageError(UNREADABLE, reason)


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
        "captured": pa.string(),
    }
)


def _decode_into(out: np.ndarray, content: bytes | ImageError, apart: bool, fit: Fit) -> dict:
    """Write the pixels of one file to `out` and return its row without the path."""
    row: dict = {"sha256": hashlib.sha256(content).hexdigest()} if isinstance(content, bytes) else {}
    try:
        if isinstance(content, ImageError):
            raise content
        decoded = decode_image(content, out.shape[0], apart, fit)
    except ImageError as error:
        return row | {"status": error.status, "reason": error.reason}
    out[:] = decoded.pixels
    facts = {"width": decoded.width, "height": decoded.height, "captured": captured_at(content)}
    return row | {"status": "ok"} | facts | describe_picture(decoded.pixels)
