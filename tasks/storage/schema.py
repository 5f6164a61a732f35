"""The schema version of written records and tables: older ones are read, newer ones are refused."""

from collections.abc import Mapping
from typing import Any

from tasks.errors import InputError

SCHEMA_VERSION = 1  # raise when what is written means something else than before, and read both
KEY = "schema_version"


def with_schema_version(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the version by which it is written, at its end."""
    return {**record, KEY: SCHEMA_VERSION}


def check_schema_version(version: int, url: str) -> None:
    """Raise InputError for what a newer Darkroom wrote. What was written before there were versions has 0."""
    if version > SCHEMA_VERSION:
        raise InputError(
            f"Files must be of schema version {SCHEMA_VERSION} or older. "
            f"Received version {version}: install a newer Darkroom to read {url!r}."
        )
