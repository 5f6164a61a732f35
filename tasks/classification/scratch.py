"""A database on disk for one computation, so that memory stays flat however many files there are."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from tasks import storage

# What is thrown away after a crash needs no journal. The cache is 64 MiB.
SETTINGS = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
"""


@contextmanager
def scratch_database() -> Iterator[sqlite3.Connection]:
    """An empty SQLite database in a temporary folder; it is deleted when the block ends."""
    with storage.temporary_folder() as folder:
        database = sqlite3.connect(folder / "scratch.sqlite")
        try:
            database.executescript(SETTINGS)
            yield database
        finally:
            database.close()
