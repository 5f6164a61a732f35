"""The schema version of written records and tables: older ones are read, newer ones are refused."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from tasks.errors import BrokenFileError, InputError

SCHEMA_VERSION = 1  # raise when what is written means something else than before, and read both
KEY = "schema_version"

T = TypeVar("T")


def with_schema_version(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the version by which it is written, at its end."""
    return {**record, KEY: SCHEMA_VERSION}


def check_schema_version(record: Mapping[Any, Any], url: str) -> None:
    """Raise InputError for a record, or the metadata of a table, that a newer Darkroom wrote at `url`.

    What was written before there were versions has version 0.
    """
    try:
        version = int(record.get(KEY, record.get(KEY.encode(), 0)))
    except (TypeError, ValueError, OverflowError) as error:
        raise BrokenFileError(url, error) from error
    if version > SCHEMA_VERSION:
        raise InputError(
            f"Files must be of schema version {SCHEMA_VERSION} or older. "
            f"Received version {version}: install a newer Darkroom to read {url!r}."
        )


def from_record(kind: type[T], record: Mapping[str, Any]) -> T:
    """An instance of a dataclass with what a record says of its fields; other keys are left out."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: record[name] for name in names if name in record})
