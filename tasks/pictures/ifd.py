"""Reads the tags of a TIFF directory; EXIF is one too. Source: TIFF 6.0 (Adobe 1992), section 2."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
MOST_ENTRIES = 4096


@dataclass(frozen=True)
class Layout:
    """How the numbers of a TIFF lie: `order` is struct's `<` or `>`; BigTIFF counts in 8 bytes, not in 4."""

    order: str
    big: bool

    @property
    def pointer(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry_bytes(self) -> int:
        return 20 if self.big else 12

    @property
    def first_offset_at(self) -> int:
        """Where the header states the offset of the first directory."""
        return 8 if self.big else 4


@dataclass(frozen=True)
class Entry:
    """One tag. raw: its entry in the directory. content: its values' bytes, wherever in the file they lie."""

    tag: int
    type: int
    raw: bytes
    content: bytes
    order: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The values of a tag that holds unsigned integers; none for other types."""
        letter = INTEGERS.get(self.type)
        if letter is None:
            return ()
        return struct.unpack(f"{self.order}{len(self.content) // SIZES[self.type]}{letter}", self.content)


def layout_of(data: bytes) -> Layout:
    """Raises ValueError where `data` does not begin like a TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        raise ValueError("no TIFF header")
    return Layout(order, struct.unpack(order + "H", data[2:4])[0] == 43)


def read_directory(data: bytes, at: int | None = None) -> dict[int, Entry]:
    """The tags of the first directory, or of that which begins `at`; values outside of `data` are left out.

    Raises ValueError where the directory itself lies outside.
    """
    entries: dict[int, Entry] = {}
    try:
        for entry in _entries(data, layout_of(data), at):
            entries.setdefault(entry.tag, entry)
    except struct.error as error:
        raise ValueError("a TIFF directory outside of the file") from error
    return entries


def _entries(data: bytes, layout: Layout, at: int | None) -> Iterator[Entry]:
    if at is None:
        [at] = struct.unpack_from(layout.pointer, data, layout.first_offset_at)
    [entry_count] = struct.unpack_from(layout.count, data, at)
    at += struct.calcsize(layout.count)
    if entry_count > MOST_ENTRIES or at + entry_count * layout.entry_bytes > len(data):
        raise ValueError("a TIFF directory longer than the file")
    for start in range(at, at + entry_count * layout.entry_bytes, layout.entry_bytes):
        entry = _entry(data, data[start : start + layout.entry_bytes], layout)
        if entry:
            yield entry


def _entry(data: bytes, raw: bytes, layout: Layout) -> Entry | None:
    tag, type = struct.unpack_from(layout.order + "HH", raw)
    [count] = struct.unpack_from(layout.pointer, raw, 4)
    value_at = 4 + struct.calcsize(layout.pointer)
    length = count * SIZES.get(type, 0)
    if not length:
        return None
    content = raw[value_at : value_at + length]
    if length > len(raw) - value_at:
        [offset] = struct.unpack_from(layout.pointer, raw, value_at)
        content = data[offset : offset + length]
    return Entry(tag, type, raw, content, layout.order) if len(content) == length else None
