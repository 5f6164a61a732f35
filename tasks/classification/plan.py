"""The plan of a bulk classification, as its manifest holds it: numbered parts that later runs keep."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks import storage
from tasks.classification.listing import Listing
from tasks.storage import FileEntry

SMALLEST_PART, LARGEST_PART = 256, 2048  # files: what a kill loses at most
MAX_PARTITIONS = 256
PLAN_KEY = b"darkroom"  # of the manifest's Parquet metadata
SCHEMA = pa.schema({"path": pa.string(), "bytes": pa.int64(), "mark": pa.string(), "part": pa.int32()})


@dataclass(frozen=True)
class Plan:
    """The facts of a job that stand, as JSON, in the metadata of its manifest.

    made_by: digest of everything but the files that the rows depend on: model, options, decoder, folder.
    series: names a chain of jobs in which parts only lose files and new parts are added, so that rows of
    one job may be kept by the next. next_part: the first part number not yet used in the series.
    key: digest of the series and all parts. root: the folder of images; older plans lack it. first_new: the
    number of the first part whose files no finished job had.
    """

    made_by: str
    series: str
    next_part: int
    files: int
    parts: int
    key: str
    root: str = ""
    first_new: int = 0


def digest(values: Sequence[Any]) -> str:
    return storage.sha256(json.dumps(values).encode())[:32]


def write_plan(
    url: str,
    listing: Listing,
    file_count: int,
    made_by: str,
    root: str,
    earlier_plan: Plan | None,
    is_finished: bool,
) -> Plan:
    """Write the manifest, one row group a part, continuing the series of an earlier plan if it can.

    listing: holds the earlier plan's parts too. is_finished: whether the job of the earlier plan is.
    """
    if earlier_plan and earlier_plan.made_by == made_by:
        series, next_part = earlier_plan.series, earlier_plan.next_part
        first_new = next_part if is_finished else earlier_plan.first_new
    else:
        listing.forget_earlier_parts()
        series, next_part, first_new = "", 0, 0
    files_per_part = min(max(-(-file_count // MAX_PARTITIONS), SMALLEST_PART), LARGEST_PART)
    keys = []
    with storage.committing(url) as path, pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for number, files in listing.unchanged_parts():
            keys.append(write_part(writer, number, files))
        new_files = listing.new_files()
        while files := list(islice(new_files, files_per_part)):
            keys.append(write_part(writer, next_part, files))
            next_part += 1
        series = series or digest([made_by, *keys])
        key = digest([series, *keys])
        plan = Plan(made_by, series, next_part, file_count, len(keys), key, root, first_new)
        record = storage.with_schema_version(asdict(plan))
        writer.add_key_value_metadata({PLAN_KEY: json.dumps(record).encode()})
    return plan


def write_part(writer: pq.ParquetWriter, number: int, files: Sequence[FileEntry]) -> str:
    """Write a part as the manifest's next row group. Returns its key."""
    rows = [{"path": file.path, "bytes": file.bytes, "mark": file.mark, "part": number} for file in files]
    writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), row_group_size=len(rows))
    return part_key(number, files)


def part_key(number: int, files: Iterable[FileEntry]) -> str:
    return digest([number, *([file.path, file.bytes, file.mark] for file in files)])


def read_plan(url: str) -> Plan | None:
    """The plan in the metadata of the manifest at `url`; None where there is none, or it is broken."""
    return storage.unless_broken(lambda: _plan_in(url), url)


def _plan_in(url: str) -> Plan | None:
    fs, path = storage.filesystem(url)
    fs.invalidate_cache()
    with fs.open(path, "rb") as file:
        plan = (pq.read_metadata(file).metadata or {}).get(PLAN_KEY)
    if not plan:
        return None
    record = json.loads(plan)
    storage.check_schema_version(record, url)
    return storage.from_record(Plan, record)


def read_parts(url: str, row_groups: Iterable[int] | None = None) -> Iterator[tuple[int, list[FileEntry]]]:
    """Yield the number and the files of some of a manifest's parts; by default of all."""
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        manifest = pq.ParquetFile(file)
        for row_group in range(manifest.num_row_groups) if row_groups is None else row_groups:
            storage.check_table(url, manifest.metadata, row_group)
            rows = manifest.read_row_group(row_group).to_pylist()
            yield rows[0]["part"], [FileEntry(row["path"], row["bytes"], row["mark"]) for row in rows]


def part_numbers(url: str) -> list[int]:
    """The number of every part in the manifest at `url`, in order, from the statistics of its columns."""
    fs, path = storage.filesystem(url)
    column = SCHEMA.get_field_index("part")
    with fs.open(path, "rb") as file:
        manifest = pq.read_metadata(file)
        return [
            manifest.row_group(row_group).column(column).statistics.min
            for row_group in range(manifest.num_row_groups)
        ]
