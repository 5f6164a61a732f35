"""From decoded parts to a committed dataset: finds copies, settles splits and writes the index."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from tasks import storage
from tasks.dataset.catalogue import Marker, enter
from tasks.dataset.checks import check_bad_share
from tasks.dataset.corrections import correct, corrections_of, count_corrections
from tasks.dataset.duplicates import find_copies
from tasks.dataset.groups import DAY, file_time
from tasks.dataset.looks import THUMBNAIL_PX
from tasks.dataset.manifest import PARTS_VERSION, identity, part_key, read_parts
from tasks.dataset.parts import SIDE_CAR, DecodedPart
from tasks.dataset.records import Dataset, Drawing, Manifest
from tasks.dataset.sides import drawing_key, earlier_sides
from tasks.dataset.splits import RANKS, draw_test, settle_splits
from tasks.parameters import Leakage
from tasks.pictures import UNREADABLE
from tasks.task_runs import task

INDEX_COLUMNS = [name for name in SIDE_CAR.names if name != "thumbnail"]

log = logging.getLogger("darkroom")


@task(task_run_name="commit dataset")
def commit_dataset(manifest: Manifest, parts: Sequence[DecodedPart], max_bad_share: float) -> Dataset:
    """Write the index of a dataset whose parts are decoded, and commit it, unless that was done before.

    Raises JobError when more than `max_bad_share` of the files are bad.
    """
    if storage.exists(storage.success_url(manifest.dataset_url)):
        index = storage.read_table(storage.index_url(manifest.dataset_url))
    else:
        index = build_index(manifest)
        if UNREADABLE in index["status"].to_pylist():  # when the run is retried they may be readable
            check_bad_share(index, max_bad_share)
        storage.write_table(storage.index_url(manifest.dataset_url), index)
        storage.sweep(storage.shards_url(manifest.dataset_url))
        storage.sweep(storage.features_url(manifest.dataset_url))
        storage.write_json(storage.success_url(manifest.dataset_url), marker_of(manifest, index))
        enter(manifest.dataset_url)
    check_bad_share(index, max_bad_share)  # of one that is committed: what was decoded is not lost
    dataset = read_dataset(manifest, sum(part.images for part in parts if part.decoded))
    tell_dataset(dataset)
    return dataset


def tell_dataset(dataset: Dataset) -> None:
    log.info(
        "Dataset %s: %s, %s bad; %s files decoded now, %s taken over",
        dataset.fingerprint,
        ", ".join(f"{count:,} {split}" for split, count in dataset.counts.items()),
        f"{dataset.bad:,}",
        f"{dataset.decoded:,}",
        f"{dataset.reused:,}",
    )
    corrected, dropped = (sum(dataset.corrections[name].values()) for name in ("corrected", "dropped"))
    added = dataset.corrections["added"]
    if corrected or dropped or added:
        log.info(
            "By people's answers %s labels are corrected, %s files dropped, %s images of an inbox added",
            *(f"{count:,}" for count in (corrected, dropped, added)),
        )


def marker_of(manifest: Manifest, index: pa.Table) -> Marker:
    """What the marker of a complete dataset says.

    parts, first_files, pixels: the key of each part, its first file, and a digest of its pixels. By these
    later datasets know what they may take over.
    """
    parts = read_parts(storage.manifest_url(manifest.dataset_url))
    return {
        "committed": datetime.now(UTC).isoformat(),
        "size_px": manifest.size_px,
        "decoder": PARTS_VERSION,
        "root": manifest.images_url,
        "unreadable": index["status"].to_pylist().count(UNREADABLE),
        "parts": [part_key(files, manifest.size_px, manifest.fit) for files in parts],
        "first_files": [identity(files[0]) for files in parts],
        "pixels": [storage.sha256(json.dumps(pixels).encode())[:32] for pixels in pixels_of_parts(index)],
        "drawing": drawing_key(manifest),
        "fit": manifest.fit,
    }


def pixels_of_parts(index: pa.Table) -> list[list[str | None]]:
    """The hash of each image's pixels, part by part; none for bad files."""
    pixels: dict[int, list[str | None]] = {}
    rows = index.select(["part", "row", "pixels_sha256"])
    for row in rows.sort_by([("part", "ascending"), ("row", "ascending")]).to_pylist():
        pixels.setdefault(row["part"], []).append(row["pixels_sha256"])
    return list(pixels.values())


def read_dataset(manifest: Manifest, decoded: int) -> Dataset:
    """The record of a committed dataset, of which this run has decoded `decoded` files."""
    table = storage.read_table(storage.index_url(manifest.dataset_url))
    columns = [name for name in ("split", "status", "label", "given", "answer") if name in table.column_names]
    rows = table.select(columns).to_pylist()
    usable = [row["split"] for row in rows if row["status"] == "ok"]
    corrections = count_corrections(rows)
    return Dataset(
        url=manifest.dataset_url,
        fingerprint=manifest.fingerprint,
        images_url=manifest.images_url,
        classes=manifest.classes,
        size_px=manifest.size_px,
        counts={split: usable.count(split) for split in ("train", "val", "test")},
        unlabelled=manifest.unlabelled,
        bad=len(rows) - len(usable) - sum(corrections["dropped"].values()),
        decoded=decoded,
        reused=len(rows) - decoded,
        corrections=corrections,
        origin=origin_of(manifest),
        fit=manifest.fit,
    )


def origin_of(manifest: Manifest) -> dict[str, Any]:
    """How labels and splits came about, as summaries and audits tell it.

    listing: how the folder was understood, in words. test_share: the share drawn for test; 0 where the user
    has a test split. group_by, newest_as_test, fit: see `Data`.
    """
    return {"listing": manifest.words} | asdict(manifest.drawing) | {"fit": manifest.fit}


def build_index(manifest: Manifest) -> pa.Table:
    """One row per file, sorted by path: the columns of manifest and side-car, and where the image is stored.

    part, row: the part that holds the image, and its position there. group: the number of the first row
    that shows the same picture; null for bad and dropped files. leak: `exact` or `near` where an image of a
    split of higher rank (see RANKS) matches this one; else null. split: as settled. given, answer: see
    `correct`. scene: what no drawn split tears, by the user's word. time, known_time: see `add_scenes`.
    """
    tables = []
    for part in range(manifest.parts):
        side_car = storage.read_table(storage.side_car_url(manifest.dataset_url, part), INDEX_COLUMNS)
        side_car = side_car.replace_schema_metadata(None)
        side_car = side_car.append_column("part", pa.array([part] * len(side_car), pa.int32()))
        tables.append(side_car.append_column("row", pa.array(range(len(side_car)), pa.int32())))
    labels = storage.read_table(storage.manifest_url(manifest.dataset_url))
    index = pa.concat_tables(tables)
    for name in ("label", "split", "scene", "time", "mark"):
        values = labels[name] if name in labels.column_names else pa.nulls(len(index), pa.string())
        index = index.append_column(name, values)
    corrections = corrections_of(manifest.dataset_url)
    index = add_scenes(index.sort_by("path"), manifest.drawing)
    return divide(manifest, correct(index, corrections, manifest.classes))


def add_scenes(index: pa.Table, drawing: Drawing) -> pa.Table:
    """An index with its `time`, of the photograph where nobody gave another, else of the file; without marks.

    `known_time` is the same, but null where only the file has a time, which mostly says when it was copied:
    unless the user has images divided by it. Where days are the groups, they become its `scene`.
    """
    rows = index.select(["time", "captured", "mark"]).to_pylist()
    stated = [row["time"] or row["captured"] for row in rows]
    times = [time or file_time(row["mark"]) for time, row in zip(stated, rows, strict=True)]
    index = index.set_column(index.column_names.index("time"), "time", pa.array(times, pa.string()))
    known = times if drawing.group_by == DAY or drawing.newest_as_test else stated
    index = index.append_column("known_time", pa.array(known, pa.string()))
    if drawing.group_by == DAY:
        days = pa.array([time and time[:10] for time in times], pa.string())
        index = index.set_column(index.column_names.index("scene"), "scene", days)
    return index.drop_columns(["mark"])


def divide(manifest: Manifest, index: pa.Table) -> pa.Table:
    """An index with copies found and its splits drawn and settled."""
    drawing, url = manifest.drawing, manifest.dataset_url
    earlier = earlier_sides(manifest)
    index = add_copies(url, index)
    if drawing.test_share:
        drawn = draw_test(rows_to_divide(index), drawing.test_share, earlier, drawing.newest_as_test)
        index = index.set_column(index.column_names.index("split"), "split", pa.array(drawn, pa.string()))
        index = add_copies(url, index.drop_columns(["group", "leak"]))
    splits = settle_splits(rows_to_divide(index), manifest.val_share, manifest.leakage, earlier)
    index = index.set_column(index.column_names.index("split"), "split", pa.array(splits, pa.string()))
    return mark_torn_copies(index, manifest.leakage)


def rows_to_divide(index: pa.Table) -> list[dict[str, Any]]:
    """The rows of an index as `settle_splits` and `draw_test` take them: scenes are groups."""
    rows = index.select(["path", "status", "sha256", "group", "leak", "label", "split", "scene", "time"])
    return [
        row
        | {
            "group": row["group"] if row["scene"] is None else row["scene"],
            "fixed": row["path"].startswith(storage.KEPT),
        }
        for row in rows.to_pylist()
    ]


def mark_torn_copies(index: pa.Table, leakage: Leakage) -> pa.Table:
    """An index in which training images with the very pixels of a validation image elsewhere are leaked.

    Only scenes tear copies: without them, groups of copies are drawn whole.
    """
    rows = index.select(["pixels_sha256", "status", "split", "leak"]).to_pylist()
    validated = {row["pixels_sha256"] for row in rows if row["split"] == "val" and row["status"] == "ok"}
    for row in rows:
        if row["split"] == "train" and row["status"] == "ok" and row["pixels_sha256"] in validated:
            row["leak"] = row["leak"] or "exact"
            row["split"] = "leaked" if leakage == "exclude" else "train"
    for name in ("split", "leak"):
        values = pa.array([row[name] for row in rows], pa.string())
        index = index.set_column(index.column_names.index(name), name, values)
    return index


def add_copies(dataset_url: str, index: pa.Table) -> pa.Table:
    """An index with the columns `group` and `leak` added (see `build_index`)."""
    good_rows = np.flatnonzero(np.array(index["status"]) == "ok")
    columns = ["part", "row", "pixels_sha256", "perceptual_hash", "split", "scene"]
    usable = index.select(columns).take(good_rows)
    part, row, hashes = (usable[name].to_numpy() for name in ("part", "row", "perceptual_hash"))
    ranks = np.array([RANKS[split] for split in usable["split"].to_pylist()], np.int64)

    def read_thumbnails(images: np.ndarray) -> np.ndarray:
        thumbnails = np.zeros((len(images), THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
        for number in np.unique(part[images]):
            in_part = np.flatnonzero(part[images] == number)
            side_car = storage.read_table(storage.side_car_url(dataset_url, number), ["thumbnail"])
            data = b"".join(side_car["thumbnail"].take(row[images[in_part]]).to_pylist())
            thumbnails[in_part] = np.frombuffer(data, np.uint8).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
        return thumbnails

    pixels = usable["pixels_sha256"].combine_chunks().dictionary_encode().indices.to_numpy()
    scenes = usable["scene"].combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy()
    copies = find_copies(pixels, hashes, ranks, read_thumbnails, scenes)
    group = np.full(len(index), -1)
    group[good_rows] = good_rows[copies.group]
    leak = np.full(len(index), "", "<U5")
    matches = [ranks < copies.exact_rank, ranks < copies.near_rank]
    leak[good_rows] = np.select(matches, ["exact", "near"], "")
    index = index.append_column("group", pa.array(group, mask=group < 0))
    return index.append_column("leak", pa.array(leak, pa.string(), mask=leak == ""))
