"""Moves entries of the log of answers into parts, since a million small files would take hours to read."""

from contextlib import suppress
from itertools import chain

from tasks import storage
from tasks.ahead import map_ahead
from tasks.corrections.answers import Answer
from tasks.corrections.log import MOST_WAITING, READERS, entry_names, read_entries, read_part, write_part
from tasks.errors import InputError

LEAST_ENTRIES = 1_000  # fewer are read one by one in seconds
SMALL_BYTES = 8 * 2**20  # parts below this, some 100,000 answers, become one with the new entries


def compact_answers(store: str, least_entries: int = LEAST_ENTRIES) -> int:
    """Move the entries that are in no part into one, if there are enough; returns how many it moved.

    An entry is removed only after its part is committed, and one that lies in both counts once: so nothing
    is lost by a kill, nor for those who read or write meanwhile. None is moved where another process is at
    it.
    """
    moved = 0
    if len(entry_names(store)) >= least_entries:
        with suppress(InputError), storage.locked(storage.answers_url(store), "store"):
            moved = move_entries(store)
    return moved


def move_entries(store: str) -> int:
    """Make one part of the entries and of the parts that are small; the lock must be held."""
    names = entry_names(store)
    parts = storage.sizes(storage.answer_parts_url(store))
    small = [name for name, size in parts.items() if size < SMALL_BYTES]
    entries: dict[str, list[Answer]] = dict(chain(*(read_part(store, name) for name in small)))
    new = [name for name in names if name not in entries]
    entries |= zip(new, read_entries(store, new), strict=True)
    write_part(store, sorted(entries.items()))
    urls = [storage.answers_entry_url(store, name) for name in names]
    urls += [storage.answer_part_url(store, name) for name in small]
    list(map_ahead(storage.remove, urls, READERS, MOST_WAITING))
    return len(names)
