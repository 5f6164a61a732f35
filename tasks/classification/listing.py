"""A folder's files in path order, compared with an earlier listing: on disk, so that memory stays flat."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby

from tasks.storage import FileEntry

SCHEMA = """
CREATE TABLE listed (path TEXT, bytes INTEGER, mark TEXT);
CREATE TABLE earlier (path TEXT, bytes INTEGER, mark TEXT, part INTEGER);
"""
# CROSS JOIN fixes the order of the loops in SQLite: `earlier`, which has the index, is the inner one.
UNCHANGED = """
SELECT part, path, bytes, mark FROM listed CROSS JOIN earlier USING (path, bytes, mark) ORDER BY part, path
"""
NEW = """
SELECT path, bytes, mark FROM listed WHERE NOT EXISTS (
    SELECT 1 FROM earlier
    WHERE earlier.path = listed.path AND earlier.bytes = listed.bytes AND earlier.mark = listed.mark
) ORDER BY path
"""
THERE = "SELECT path, path IN (SELECT path FROM listed) FROM earlier"


class Listing:
    """Files in a temporary SQLite database, which sorts and joins more of them than memory holds."""

    def __init__(self, database: sqlite3.Connection):
        self._db = database
        self._db.executescript(SCHEMA)

    def add(self, files: Iterable[FileEntry]) -> int:
        """Add the files that lie in the folder now. Returns how many."""
        rows = ((file.path, file.bytes, file.mark) for file in files)
        with self._db:
            return self._db.executemany("INSERT INTO listed VALUES (?, ?, ?)", rows).rowcount

    def add_earlier_parts(self, parts: Iterable[tuple[int, Iterable[FileEntry]]]) -> None:
        """Add the numbers and files of all parts of an earlier listing; to be called once."""
        rows = ((file.path, file.bytes, file.mark, part) for part, files in parts for file in files)
        with self._db:
            self._db.executemany("INSERT INTO earlier VALUES (?, ?, ?, ?)", rows)
            self._db.execute("CREATE INDEX by_file ON earlier (path, bytes, mark)")

    def earlier_paths(self) -> Iterator[tuple[str, bool]]:
        """Yield every path of the earlier listing, and whether a file of that path is there now."""
        for path, is_there in self._db.execute(THERE):
            yield path, bool(is_there)

    def forget_earlier_parts(self) -> None:
        with self._db:
            self._db.execute("DELETE FROM earlier")

    def unchanged_parts(self) -> Iterator[tuple[int, list[FileEntry]]]:
        """Yield the number of each earlier part, with those of its files that are still there unchanged.

        Parts come in the order of their numbers, files in path order; a part without any file is left out.
        """
        for part, rows in groupby(self._db.execute(UNCHANGED), key=lambda row: row[0]):
            yield part, [FileEntry(*row[1:]) for row in rows]

    def new_files(self) -> Iterator[FileEntry]:
        """Yield, in path order, every file that is new or changed since the earlier listing."""
        for row in self._db.execute(NEW):
            yield FileEntry(*row)
