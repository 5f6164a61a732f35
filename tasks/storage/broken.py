"""Reads what an earlier run left; what is broken there counts as missing, and one line says so."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import pyarrow as pa

from tasks.errors import InputError
from tasks.storage.reading import read_json, read_table
from tasks.storage.urls import is_local

log = logging.getLogger("darkroom")

T = TypeVar("T")


def unless_broken(read: Callable[[], T], url: str) -> T | None:
    """What `read` makes of the file `url`; None where that is missing or broken.

    Errors of the storage itself are raised: the file may be sound.
    """
    try:
        return read()
    except (FileNotFoundError, InputError) as error:
        if isinstance(error, InputError):
            raise
    except (pa.ArrowException, ValueError, TypeError, KeyError, AttributeError, IsADirectoryError) as error:
        _say(url, error)
    except OSError as error:  # Arrow raises it too for broken Parquet, then without a number
        if error.errno is not None or not is_local(url):
            raise
        _say(url, error)
    return None


def _say(url: str, error: Exception) -> None:
    reason = " ".join(str(error).split())[:200]
    log.warning("%s is broken and counts as missing: what it told of is done again (%s)", url, reason)


def json_unless_broken(url: str) -> dict[str, Any] | None:
    """A JSON object; None where it is missing or broken."""
    return unless_broken(lambda: dict(read_json(url)), url)


def table_unless_broken(url: str, columns: list[str] | None = None) -> pa.Table | None:
    """A Parquet file, whole or only the columns named; None where it is missing or broken."""
    return unless_broken(lambda: read_table(url, columns), url)
