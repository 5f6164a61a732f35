"""Answers as tables, one row each, and back."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa

from tasks.corrections.answers import Answer

NAMES = tuple(field.name for field in fields(Answer))
SCHEMA = pa.schema([(name, pa.float64() if name == "confidence" else pa.string()) for name in NAMES])


def to_table(answers: Sequence[Answer]) -> pa.Table:
    return pa.table({name: [getattr(answer, name) for answer in answers] for name in NAMES}, SCHEMA)


def from_table(table: pa.Table) -> list[Answer]:
    """The answers of a table, whatever other columns it has. One of an older Darkroom has no `by`."""
    nothing = pa.chunked_array([pa.nulls(len(table), pa.string())])
    columns = [values_of(table[name] if name in table.column_names else nothing) for name in NAMES]
    return [Answer(*values) for values in zip(*columns, strict=True)]


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column; equal ones are one object, since a million answers repeat themselves."""
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return [None if index is None else values[index] for index in encoded.indices.to_pylist()]
