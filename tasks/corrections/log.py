"""The log of answers in a store: one file an entry, created exclusively, and parts of many older entries.

Entries are ordered by their names, which begin with a time. A process writes later times than all it has read
or written, so that an undo follows what it takes back also where the clocks of two machines differ. An entry
that lies in two places, since a compaction was killed, counts once.
"""

import re
import threading
import uuid
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import overload

import pyarrow as pa

from tasks import storage
from tasks.ahead import map_ahead
from tasks.corrections.answers import Answer, check_answer, current_corrections
from tasks.corrections.tables import from_table, to_table
from tasks.errors import BrokenFileError

MANY = 10_000  # answers of one entry from which on it is written as a part
READERS, MOST_WAITING = 8, 1024
MOST_TRIES = 10
TIME = "%Y%m%dT%H%M%S.%fZ"
ENTRY = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-[0-9a-f]{8}")
Entry = tuple[str, list[Answer]]


@dataclass(frozen=True, eq=False)
class Answers(Sequence[Answer]):
    """All answers of a store, in order; `entries` names the entry of each.

    Two readings of one process give the same object where nothing came in between.
    """

    answers: tuple[Answer, ...] = ()
    entries: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.answers)

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.answers)

    @overload
    def __getitem__(self, index: int) -> Answer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Answer]: ...
    def __getitem__(self, index: int | slice) -> Answer | Sequence[Answer]:
        return self.answers[index]


class _Log:
    """What this process knows of the log of one store."""

    def __init__(self, store: str):
        self._store = store
        self._entries: set[str] = set()
        self._parts: set[str] = set()
        self._answers = Answers()
        self._latest = ""
        self._lock = threading.Lock()

    def new_name(self) -> str:
        """The name of an entry that comes after all that this process has read or written."""
        now = datetime.now(UTC)
        with self._lock:
            if latest := ENTRY.fullmatch(self._latest):
                time = datetime.strptime(latest[1], TIME).replace(tzinfo=UTC)
                now = max(now, time + timedelta(microseconds=1))
            self._latest = f"{now.strftime(TIME)}-{uuid.uuid4().hex[:8]}"
            return self._latest

    def read(self) -> Answers:
        with self._lock:
            for _ in range(MOST_TRIES - 1):
                try:
                    return self._read_new()
                except FileNotFoundError:  # a compaction has moved entries meanwhile
                    continue
            return self._read_new()

    def _read_new(self) -> Answers:
        """The entries first, then the parts: what leaves the former is in the latter before."""
        names = [name for name in entry_names(self._store) if name not in self._entries]
        entries = dict(zip(names, read_entries(self._store, names), strict=True))
        parts = set(storage.names(storage.answer_parts_url(self._store))) - self._parts
        for part in parts:
            entries.update(read_part(self._store, part, self._entries))
        self._add(entries)
        self._parts |= parts
        return self._answers

    def _add(self, entries: Mapping[str, list[Answer]]) -> None:
        pairs = [(name, answer) for name in sorted(entries) for answer in entries[name]]
        self._entries.update(entries)
        if not pairs:
            return
        self._latest = max(self._latest, pairs[-1][0])
        if self._answers.entries and pairs[0][0] < self._answers.entries[-1]:
            pairs += zip(self._answers.entries, self._answers, strict=True)
            pairs.sort(key=itemgetter(0))
            self._answers = Answers()
        self._answers = Answers(
            self._answers.answers + tuple(answer for _, answer in pairs),
            self._answers.entries + tuple(name for name, _ in pairs),
        )


_logs: dict[str, _Log] = {}


def _log(store: str) -> _Log:
    return _logs.setdefault(storage.absolute(store), _Log(storage.absolute(store)))


def record_answers(store: str, answers: Sequence[Answer]) -> None:
    """Append one entry to the log; who reads sees all of its answers or none.

    Raises InputError for an answer that cannot be understood; nothing is written then.
    """
    for answer in answers:
        check_answer(answer)
    if not answers:
        return
    name = _log(store).new_name()
    if len(answers) >= MANY:
        write_part(store, [(name, list(answers))])
        return
    record = storage.with_schema_version({"answers": [asdict(answer) for answer in answers]})
    if not storage.create_json(storage.answers_entry_url(store, name), record):
        raise FileExistsError(f"An entry of the same name is there already: {name!r}.")


def read_answers(store: str) -> Answers:
    """All answers of a store, in order. This process reads only what is new since it read them last.

    Raises JobError for an entry or part that is damaged: nothing would make it again.
    """
    return _log(store).read()


def entry_names(store: str) -> list[str]:
    """The names of the entries that are in no part yet, or still lie beside it."""
    names = (name.removesuffix(".json") for name in storage.names(storage.answers_url(store)))
    return [name for name in names if ENTRY.fullmatch(name)]


def corrections_in_force(store: str) -> dict[str, Answer]:
    """The decision in force on each content (see `current_corrections`)."""
    return current_corrections(read_answers(store))


def read_entries(store: str, names: Sequence[str]) -> Iterator[list[Answer]]:
    return map_ahead(lambda name: read_entry(store, name), names, READERS, MOST_WAITING)


def read_entry(store: str, name: str) -> list[Answer]:
    url = storage.answers_entry_url(store, name)
    try:
        records = storage.read_record(url)["answers"]
        return [storage.from_record(Answer, record) for record in records]
    except (KeyError, TypeError, AttributeError) as error:
        raise BrokenFileError(url, error) from error


def read_part(store: str, name: str, known: Container[str] = ()) -> list[Entry]:
    """The entries of a part, but for the known ones."""
    table = storage.read_table(storage.answer_part_url(store, name))
    table = table.filter([entry not in known for entry in table["entry"].to_pylist()])
    entries: dict[str, list[Answer]] = {}
    for entry, answer in zip(table["entry"].to_pylist(), from_table(table), strict=True):
        entries.setdefault(entry, []).append(answer)
    return list(entries.items())


def write_part(store: str, entries: Iterable[Entry]) -> None:
    """Commit entries as a part of a name that no other has."""
    pairs = [(name, answer) for name, answers in entries for answer in answers]
    table = to_table([answer for _, answer in pairs])
    table = table.add_column(0, "entry", pa.array([name for name, _ in pairs], pa.string()))
    storage.write_table(storage.answer_part_url(store, f"part-{uuid.uuid4().hex}.parquet"), table)
