"""Decoded parts to a committed dataset: index, settled splits, and the reader that training uses."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset.checks import check_bad_share
from tasks.dataset.decode import UNREADABLE
from tasks.dataset.duplicates import find_copies
from tasks.dataset.looks import THUMBNAIL_PX
from tasks.dataset.manifest import PARTS_VERSION
from tasks.dataset.parts import SIDE_CAR, PartDone, part_keys
from tasks.dataset.records import Dataset, Manifest
from tasks.dataset.splits import RANKS, settle_splits

INDEXED = [name for name in SIDE_CAR.names if name != "thumbnail"]

log = logging.getLogger("darkroom")


@task(cache_policy=NO_CACHE, task_run_name="commit dataset")
def commit_dataset(manifest: Manifest, done: Sequence[PartDone], max_bad_share: float) -> Dataset:
    """Settle the splits by content and commit the dataset; refuse one with too many bad files."""
    if storage.exists(storage.success_url(manifest.dataset_url)):
        check_bad_share(storage.read_table(storage.index_url(manifest.dataset_url)), max_bad_share)
    else:
        index = build_index(manifest)
        check_bad_share(index, max_bad_share)
        storage.write_table(storage.index_url(manifest.dataset_url), index)
        storage.sweep(storage.shards_url(manifest.dataset_url))
        storage.sweep(storage.features_url(manifest.dataset_url))
        storage.write_json(
            storage.success_url(manifest.dataset_url),
            {
                "committed": datetime.now(UTC).isoformat(),
                "size_px": manifest.size_px,
                "decoder": PARTS_VERSION,
                "unreadable": index["status"].to_pylist().count(UNREADABLE),
                "parts": part_keys(manifest),
            },
        )
    dataset = read_dataset(manifest, sum(part.images for part in done if part.decoded))
    log.info(
        "Dataset %s: %s, %s bad; %s files decoded now, %s taken over",
        dataset.fingerprint,
        ", ".join(f"{count:,} {split}" for split, count in dataset.counts.items()),
        f"{dataset.bad:,}",
        f"{dataset.decoded:,}",
        f"{dataset.reused:,}",
    )
    return dataset


def read_dataset(manifest: Manifest, decoded: int) -> Dataset:
    table = storage.read_table(storage.index_url(manifest.dataset_url), ["split", "status"])
    usable = [row["split"] for row in table.to_pylist() if row["status"] == "ok"]
    return Dataset(
        url=manifest.dataset_url,
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
        side_car = storage.read_table(storage.side_car_url(manifest.dataset_url, part), INDEXED)
        side_car = side_car.replace_schema_metadata(None)
        side_car = side_car.append_column("part", pa.array([part] * len(side_car), pa.int32()))
        tables.append(side_car.append_column("row", pa.array(range(len(side_car)), pa.int32())))
    listed = storage.read_table(storage.manifest_url(manifest.dataset_url), ["label", "split"])
    decoded = pa.concat_tables(tables)
    for name in listed.column_names:
        decoded = decoded.append_column(name, listed[name])
    decoded = decoded.sort_by("path")
    decoded = with_copies(manifest.dataset_url, decoded)
    rows = decoded.select(["status", "sha256", "group", "leak", "label", "split"]).to_pylist()
    splits = settle_splits(rows, manifest.val_share, manifest.leakage)
    return decoded.set_column(decoded.column_names.index("split"), "split", pa.array(splits, pa.string()))


def with_copies(dataset_url: str, decoded: pa.Table) -> pa.Table:
    """An index with its columns `group` and `leak`."""
    good = np.flatnonzero(np.array(decoded["status"]) == "ok")
    usable = decoded.select(["part", "row", "pixels_sha256", "perceptual_hash", "split"]).take(good)
    part, row, hashes = (usable[name].to_numpy() for name in ("part", "row", "perceptual_hash"))
    ranks = np.array([RANKS[split] for split in usable["split"].to_pylist()], np.int64)

    def thumbnails(images: np.ndarray) -> np.ndarray:
        found = np.zeros((len(images), THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
        for index in np.unique(part[images]):
            wanted = np.flatnonzero(part[images] == index)
            side_car = storage.read_table(storage.side_car_url(dataset_url, index), ["thumbnail"])
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
