"""The rows of a bulk classification and the files they lie in: Parquet, or CSV with lists joined by `;`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from tasks import storage
from tasks.ahead import map_ahead
from tasks.classification.job import Job, Part
from tasks.classification.plan import part_numbers
from tasks.dataset import UNREADABLE
from tasks.errors import JobError

READERS, TABLES_AHEAD = 8, 64  # of a part each

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
        "likeness": pa.float32(),
        "width": pa.int32(),
        "height": pa.int32(),
        "captured": pa.string(),
    }
)
USABLE = ("ok", "unsure")  # statuses of files that got a label
UNLIKE = "unlike"  # status of pictures unlike all that the model was trained on: they get no label
GOOD = (*USABLE, UNLIKE)  # statuses of files that are not bad
LIST_COLUMNS = ("top_labels", "top_confidences")
SCALAR_COLUMNS = [name for name in SCHEMA.names if name not in LIST_COLUMNS]


def to_table(rows: Sequence[Row], format: str) -> pa.Table:
    """Rows as the table that a part of this format holds: for `csv`, lists become strings joined by `;`."""
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    for name in LIST_COLUMNS if format == "csv" else ():
        joined = pc.binary_join(pc.cast(table[name], pa.list_(pa.string())), ";")
        table = table.set_column(table.schema.get_field_index(name), name, joined)
    return table


def write_rows(part: Part, table: pa.Table) -> None:
    """Write a part's rows, as `to_table` gives them, in the order of its files.

    Raises JobError unless there is exactly one row a file.
    """
    positions = pc.index_in(pa.array([file.path for file in part.files]), table["path"])
    if positions.null_count or len(table) != len(part.files):
        raise JobError(
            f"Part {part.number} must have one row a file: {len(part.files):,}. Received {len(table):,}, "
            f"{positions.null_count:,} files without one: remove {part.url!r} and run again."
        )
    table = table.take(positions)
    if part.url.endswith(".parquet"):
        storage.write_table(part.url, table)
    else:
        with storage.committing(part.url) as path:
            pyarrow.csv.write_csv(replace_in_texts(table, f"^({storage.FORMULA})", r"'\1"), path)


def reusable_rows(part: Part, columns: list[str] | None = None) -> pa.Table:
    """The rows in a part's file that still hold: of files that are in the part, and could be read.

    columns: must contain `path` and `status`; by default all.
    """
    table = read_part(part.url, columns)
    is_in_part = pc.is_in(table["path"], pa.array([file.path for file in part.files]))
    return table.filter(pc.and_(is_in_part, pc.not_equal(table["status"], UNREADABLE)))


def count_values(column: pa.ChunkedArray) -> Counter[str]:
    return Counter({pair["values"]: pair["counts"] for pair in pc.value_counts(column).to_pylist()})


def read_rows(job: Job) -> Iterator[pa.Table]:
    """Yield the rows of every part in order, without the columns that hold lists.

    Raises JobError for a part that is lost or broken.
    """
    numbers = part_numbers(storage.plan_url(job.output))
    urls = [storage.part_url(job.output, number, job.options.format) for number in numbers]

    def read(url: str) -> pa.Table | None:
        return storage.unless_broken(partial(read_part, url, SCALAR_COLUMNS), url)

    for url, table in zip(urls, map_ahead(read, urls, READERS, TABLES_AHEAD), strict=True):
        if table is None:
            raise JobError(f"Every part must be readable. Received {url!r}: remove it and run again.")
        yield table


def rows_of_output(output: str) -> Iterator[pa.Table]:
    """Yield the rows of each part that an output holds, in order; a broken part is left out."""
    for name in storage.names(output):
        if storage.PART_NAME.fullmatch(name):
            url = storage.join(output, name)
            if (table := storage.unless_broken(partial(read_part, url), url)) is not None:
                yield table


def count_rows(url: str) -> int | None:
    """How many rows a part's file has; None where it is lost or broken."""
    if not url.endswith(".parquet"):
        return storage.unless_broken(lambda: len(read_part(url, ["path"])), url)
    fs, path = storage.filesystem(url)
    fs.invalidate_cache()
    return storage.unless_broken(lambda: pq.read_metadata(path, filesystem=fs).num_rows, url)


def read_part(url: str, columns: list[str] | None = None) -> pa.Table:
    """The rows in a part's file, as `to_table` gave them. columns: by default all."""
    if url.endswith(".parquet"):
        return with_all_columns(storage.read_table(url, columns), columns)
    types = {name: pa.string() if name in LIST_COLUMNS else SCHEMA.field(name).type for name in SCHEMA.names}
    table = pyarrow.csv.read_csv(
        pa.BufferReader(storage.read_bytes(url, storage.MOST_JSON)),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=columns or SCHEMA.names,
            include_missing_columns=True,  # an older Darkroom wrote fewer
            strings_can_be_null=True,  # an unquoted empty field is null, `""` is an empty string
            quoted_strings_can_be_null=False,
        ),
    )
    return replace_in_texts(table, f"^'({storage.FORMULA})", r"\1")


def with_all_columns(table: pa.Table, columns: list[str] | None) -> pa.Table:
    """A table with the columns asked for; those that an older Darkroom did not write are null."""
    for name in columns or SCHEMA.names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), SCHEMA.field(name).type))
    return table.select(columns or SCHEMA.names)


def replace_in_texts(table: pa.Table, pattern: str, by: str) -> pa.Table:
    """A table with what matches a pattern replaced in all of its texts."""
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = pc.replace_substring_regex(table.column(index), pattern, by)
            table = table.set_column(index, field.name, column)
    return table
