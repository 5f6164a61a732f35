"""The rows of a bulk classification, as they lie in its parts: Parquet, or CSV with lists joined by `;`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tasks import storage
from tasks.classification.job import Job, Part, part_numbers
from tasks.dataset import UNREADABLE
from tasks.errors import JobError

Row = dict[str, Any]

SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "status": pa.string(),
        "error": pa.string(),
        "label": pa.string(),
        "confidence": pa.float32(),
        "top_labels": pa.list_(pa.string()),
        "top_confidences": pa.list_(pa.float32()),
        "model": pa.string(),
        "engine": pa.string(),
        "brightness": pa.float32(),
        "sharpness": pa.float32(),
    }
)
USABLE = ("ok", "unsure")
LISTS = ("top_labels", "top_confidences")
FLAT = [name for name in SCHEMA.names if name not in LISTS]


def as_stored(rows: Sequence[Row], kind: str) -> pa.Table:
    """Rows as the table that parts of a kind hold, `parquet` or `csv`."""
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    for name in LISTS if kind == "csv" else ():
        joined = pc.binary_join(pc.cast(table[name], pa.list_(pa.string())), ";")
        table = table.set_column(table.schema.get_field_index(name), name, joined)
    return table


def write_rows(part: Part, table: pa.Table) -> None:
    """Commit the rows of a part, as stored, in the order of its files; JobError unless it is one a file."""
    places = pc.index_in(pa.array([file.path for file in part.files]), table["path"])
    if places.null_count or len(table) != len(part.files):
        raise JobError(
            f"Part {part.number} must have one row a file: {len(part.files):,}. Received {len(table):,}, "
            f"{places.null_count:,} files without one: remove {part.url!r} and run again."
        )
    table = table.take(places)
    if part.url.endswith(".parquet"):
        storage.write_table(part.url, table)
    else:
        with storage.committing(part.url) as path:
            pyarrow.csv.write_csv(table, path)


def standing_rows(part: Part, columns: list[str] | None = None) -> pa.Table:
    """The rows in a part's file, as stored, of those of its files that need no other try."""
    table = read_part(part.url, columns)
    kept = pc.is_in(table["path"], pa.array([file.path for file in part.files]))
    return table.filter(pc.and_(kept, pc.not_equal(table["status"], UNREADABLE)))


def counts(column: pa.ChunkedArray) -> Counter[str]:
    return Counter({pair["values"]: pair["counts"] for pair in pc.value_counts(column).to_pylist()})


def read_rows(job: Job) -> Iterator[pa.Table]:
    """Yield the rows of every part in order, but for their lists."""
    for number in part_numbers(job):
        yield read_part(storage.part_url(job.output, number, job.options.format), FLAT)


def read_part(url: str, columns: list[str] | None = None) -> pa.Table:
    if url.endswith(".parquet"):
        return storage.read_table(url, columns)
    types = {name: pa.string() if name in LISTS else SCHEMA.field(name).type for name in SCHEMA.names}
    return pyarrow.csv.read_csv(
        pa.BufferReader(storage.read_bytes(url)),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=columns,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
