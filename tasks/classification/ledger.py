"""What sorting has put into a folder, file by file, so that nothing else there is ever touched."""

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import pyarrow as pa

from tasks import storage

LEFT = "left"  # the ledger of files that have left the images: what was put of them stays
SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "folder": pa.string(),
        "size": pa.int64(),
        "mtime_ns": pa.int64(),
        "link": pa.string(),
        "done": pa.bool_(),
    }
)


@dataclass(frozen=True)
class Placed:
    """A file that was put into a class folder: its path in the images, the class, and how it was left there.

    size, mtime_ns: of a copy. link: where a link leads; None for a copy. done: False while it is being put
    or taken away, so that a kill leaves no doubt about whose it is.
    """

    path: str
    folder: str
    size: int
    mtime_ns: int
    link: str | None
    done: bool

    def place(self, target: str) -> Path:
        return place_of(target, self.folder, self.path)

    def is_untouched(self, target: str) -> bool:
        """Whether it is still there as it was put: not changed, moved, removed or replaced by anyone."""
        present = placed_at(target, self.folder, self.path)
        return present is not None and astuple(present)[:5] == astuple(self)[:5]


def place_of(target: str, folder: str, path: str) -> Path:
    """Where a file of the images stands in a class folder; InputError for a path that leads elsewhere."""
    return Path(storage.join(target, folder, *storage.unescape(path).split("/")))


def link_above(place: Path, path: str) -> Path | None:
    """A link that stands for one of the class folders above a place: what lies there is not ours."""
    return next((parent for parent in place.parents[: path.count("/") + 1] if parent.is_symlink()), None)


def placed_at(target: str, folder: str, path: str) -> Placed | None:
    """What stands in that place now, as the record of having put it; None where no file or link does."""
    place = place_of(target, folder, path)
    if link_above(place, path):
        return None
    try:
        status = os.lstat(place)
        link = storage.escape(os.readlink(place)) if stat.S_ISLNK(status.st_mode) else None
    except OSError:
        return None
    if link is not None:
        return Placed(path, folder, 0, 0, link, True)
    is_file = stat.S_ISREG(status.st_mode)
    return Placed(path, folder, status.st_size, status.st_mtime_ns, None, True) if is_file else None


def read_ledger(url: str) -> dict[str, list[Placed]]:
    """What was put of each file, by its path in the images; nothing where there is no ledger."""
    ledger: dict[str, list[Placed]] = {}
    for placed in storage.unless_broken(lambda: _rows(url), url) or ():
        ledger.setdefault(placed.path, []).append(placed)
    return ledger


def _rows(url: str) -> list[Placed]:
    rows = storage.read_table(url).select(SCHEMA.names).cast(SCHEMA)
    if any(column.null_count for column in rows.select(["path", "folder"]).columns):
        raise ValueError("a row without a path")
    return [Placed(**row) for row in rows.to_pylist()]


def write_ledger(url: str, ledger: Iterable[Placed]) -> None:
    rows = [dict(zip(SCHEMA.names, astuple(placed), strict=True)) for placed in ledger]
    storage.write_table(url, pa.Table.from_pylist(rows, schema=SCHEMA))


class Ledgers:
    """All that was put into a folder, in a temporary SQLite database, to be dealt out to the parts anew."""

    def __init__(self, database: sqlite3.Connection):
        self._db = database
        self._db.execute("CREATE TABLE placed (path, folder, size, mtime_ns, link, done, name)")

    def add(self, ledger: Iterable[Placed]) -> None:
        with self._db:
            rows = ((*values_of(placed), placed.path.rpartition("/")[2]) for placed in ledger)
            self._db.executemany("INSERT INTO placed VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def index(self) -> None:
        self._db.execute("CREATE INDEX by_path ON placed (path)")
        self._db.execute("CREATE INDEX by_name ON placed (name)")

    def strangers(self, files: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of some files, each a class folder and a path in it, that nobody has put there."""
        with self._db:
            self._db.execute("CREATE TABLE files (folder, path)")
            self._db.executemany("INSERT INTO files VALUES (?, ?)", files)
        others = "SELECT 1 FROM placed WHERE placed.path = files.path AND placed.folder = files.folder"
        return self._db.execute(f"SELECT folder, path FROM files WHERE NOT EXISTS ({others})").fetchall()

    def of_path(self, path: str) -> list[Placed]:
        return list(map(_placed, self._db.execute("SELECT * FROM placed WHERE path = ?", (path,))))

    def of_name(self, name: str) -> list[Placed]:
        """What was put of the files of a name, whatever folders of the images they lie in."""
        return list(map(_placed, self._db.execute("SELECT * FROM placed WHERE name = ?", (name,))))

    def take(self, paths: Iterable[str]) -> list[Placed]:
        """What was put of some files; they are then out of the database."""
        taken: list[Placed] = []
        with self._db:
            for path in paths:
                taken += self.of_path(path)
                self._db.execute("DELETE FROM placed WHERE path = ?", (path,))
        return taken

    def rest(self) -> Iterator[Placed]:
        yield from map(_placed, self._db.execute("SELECT * FROM placed ORDER BY path"))


def values_of(placed: Placed) -> tuple:
    """The values of a record, in order; `dataclasses.astuple` takes ten times as long."""
    return tuple(getattr(placed, name) for name in SCHEMA.names)


def _placed(row: tuple) -> Placed:
    path, folder, size, mtime_ns, link, done, _ = row
    return Placed(path, folder, size, mtime_ns, link, bool(done))
