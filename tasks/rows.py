"""The rows of a bulk classification, as they lie in its parts: Parquet, or CSV with lists joined by `;`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tasks import storage
from tasks.jobs import Job, Part, part_numbers, part_url

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


def write_rows(part: Part, rows: Sequence[Row]) -> None:
    """Commit the rows of a part."""
    write_table(part.url, pa.Table.from_pylist(list(rows), schema=SCHEMA))


def keep_rows(part: Part) -> pa.Table | None:
    """Commit again, of the rows that stand in a part's file, those of the files the part still has.

    Returns them; None, and nothing is written, when a file of the part has no row there.
    """
    table = read_part(part.url)
    kept = table.filter(pc.is_in(table["path"], pa.array([file.path for file in part.files])))
    if len(kept) != len(part.files):
        return None
    write_table(part.url, kept)
    return kept


def counts(column: pa.ChunkedArray) -> Counter[str]:
    return Counter({pair["values"]: pair["counts"] for pair in pc.value_counts(column).to_pylist()})


def read_rows(job: Job) -> Iterator[pa.Table]:
    """Yield the rows of every part in order, but for their lists."""
    for number in part_numbers(job):
        yield read_part(part_url(job, number), FLAT)


def read_part(url: str, columns: list[str] | None = None) -> pa.Table:
    if url.endswith(".parquet"):
        return storage.read_table(url, columns)
    types = {name: pa.string() if name in LISTS else SCHEMA.field(name).type for name in SCHEMA.names}
    return pyarrow.csv.read_csv(
        pa.BufferReader(storage.read_bytes(url)),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, include_columns=columns),
    )


def write_table(url: str, table: pa.Table) -> None:
    if url.endswith(".parquet"):
        storage.write_table(url, table)
        return
    for name in LISTS:
        if not pa.types.is_string(table.schema.field(name).type):
            joined = pc.binary_join(pc.cast(table[name], pa.list_(pa.string())), ";")
            table = table.set_column(table.schema.get_field_index(name), name, joined)
    with storage.committing(url) as path:
        pyarrow.csv.write_csv(table, path)
