"""The items of an AVIF or HEIC file: of what kind each is, where its data lie, what is said of it.

Sources: ISO/IEC 14496-12 (boxes, items), 23008-12 (HEIF).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from tasks.pictures.outcome import corrupt

MOST_ITEMS, MOST_BOXES, MOST_META = 4096, 1 << 16, 1 << 24  # the last in bytes: a few numbers state much
IN_FILE, IN_META = 0, 1  # where the data of an item lie
MADE_OF, BELONGS_TO = b"dimg", b"auxl"


@dataclass(frozen=True)
class Box:
    """A box of a file; its content lies at data[start:stop]."""

    name: bytes
    start: int
    stop: int


@dataclass
class Item:
    """kind: such as `av01`, `hvc1`, `grid` or `Exif`. spans: where its data lie in the file, in order.

    properties: name and content of each, in order. made_of: the items that a grid consists of.
    """

    kind: bytes
    spans: list[tuple[int, int]] = field(default_factory=list)
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    made_of: list[int] = field(default_factory=list)
    belongs_to: list[int] = field(default_factory=list)

    def property(self, name: bytes, least_bytes: int = 1) -> bytes | None:
        """The content of its first property of a name; None where it has none of so many bytes."""
        contents = (content for each, content in self.properties if each == name)
        return next((content for content in contents if len(content) >= least_bytes), None)


@dataclass(frozen=True)
class Items:
    """The items of a file by their number, and which of them is the picture."""

    by_number: dict[int, Item]
    primary: int


class Reader:
    """Reads numbers from a box, one after the other; raises struct.error behind its end."""

    def __init__(self, data: bytes, box: Box):
        self.data, self.at, self.stop = data, box.start, box.stop
        self.version, self.flags = 0, 0

    def head(self) -> "Reader":
        """Read version and flags, which many boxes begin with."""
        head = self.number(4)
        self.version, self.flags = head >> 24, head & 0xFFFFFF
        return self

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        if self.at + size > self.stop:
            raise struct.error("a box that ends too early")
        self.at += size
        return self.data[self.at - size : self.at]

    def rest(self) -> Box:
        return Box(b"", self.at, self.stop)


def read_items(data: bytes) -> Items:
    """Raises ImageError where the file has no picture, or its structure is broken."""
    try:
        meta = next((box for box in boxes_in(data, Box(b"", 0, len(data))) if box.name == b"meta"), None)
        if meta is None or meta.stop - meta.start > MOST_META:
            raise corrupt("it has no picture, or one of too many pieces")
        inner = {box.name: box for box in boxes_in(data, Reader(data, meta).head().rest())}
        if not {b"pitm", b"iinf", b"iloc"} <= inner.keys():
            raise corrupt("it has no picture")
        items = kinds_of(data, inner[b"iinf"])
        add_spans(data, inner[b"iloc"], inner.get(b"idat"), items)
        if b"iprp" in inner:
            add_properties(data, inner[b"iprp"], items)
        if b"iref" in inner:
            add_references(data, inner[b"iref"], items)
        reader = Reader(data, inner[b"pitm"]).head()
        primary = reader.number(4 if reader.version else 2)
    except struct.error as error:
        raise corrupt(f"its structure is broken: {error}") from None
    if primary not in items:
        raise corrupt("it has no picture: its primary item is missing")
    return Items(items, primary)


def boxes_in(data: bytes, around: Box) -> Iterator[Box]:
    """Yield the boxes within another, or within a file. The last of a file may be cut by its end."""
    at = around.start
    for _ in range(MOST_BOXES):
        if at + 8 > around.stop:
            return
        length, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:
            [length] = struct.unpack_from(">Q", data, start)
            start += 8
        stop = at + length if length else around.stop
        if stop < start:
            raise struct.error("a box of no sensible size")
        yield Box(name, start, min(stop, around.stop))
        at = stop
    raise struct.error("too many boxes")


def kinds_of(data: bytes, box: Box) -> dict[int, Item]:
    reader = Reader(data, box).head()
    count = reader.number(4 if reader.version else 2)
    items: dict[int, Item] = {}
    for entry in boxes_in(data, reader.rest()):
        each = Reader(data, entry).head()
        if entry.name == b"infe" and each.version >= 2 and len(items) < min(count, MOST_ITEMS):
            number = each.number(2 if each.version == 2 else 4)
            each.number(2)
            items[number] = Item(each.take(4))
    return items


def add_spans(data: bytes, box: Box, idat: Box | None, items: dict[int, Item]) -> None:
    reader = Reader(data, box).head()
    sizes = reader.number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    spans, number_size = 0, 2 if reader.version < 2 else 4
    for _ in range(min(reader.number(number_size), MOST_ITEMS)):
        item = items.get(reader.number(number_size), Item(b""))
        method = reader.number(2) & 15 if reader.version else IN_FILE
        reader.number(2)
        base = reader.number(base_size)
        for _ in range(reader.number(2)):
            if reader.version:
                reader.number(index_size)
            spans += 1
            if spans > MOST_BOXES:
                raise struct.error("data in too many pieces")
            start, length = base + reader.number(offset_size), reader.number(length_size)
            around = idat if method == IN_META else Box(b"", 0, len(data))
            if method > IN_META or around is None:
                raise struct.error("data of an item lie in another item")
            start += around.start
            item.spans.append((start, start + length if length else around.stop))


def add_properties(data: bytes, box: Box, items: dict[int, Item]) -> None:
    properties: list[tuple[bytes, bytes]] = []
    for inner in boxes_in(data, box):
        if inner.name == b"ipco":
            properties += [(each.name, data[each.start : each.stop]) for each in boxes_in(data, inner)]
        if inner.name == b"ipma":
            reader = Reader(data, inner).head()
            for _ in range(min(reader.number(4), MOST_ITEMS)):
                item = items.get(reader.number(4 if reader.version else 2), Item(b""))
                for _ in range(reader.number(1)):
                    size = 2 if reader.flags & 1 else 1
                    index = reader.number(size) & (0x7FFF if size == 2 else 0x7F)
                    item.properties += properties[index - 1 : index] if index else []


def add_references(data: bytes, box: Box, items: dict[int, Item]) -> None:
    reader = Reader(data, box).head()
    size = 4 if reader.version else 2
    for inner in boxes_in(data, reader.rest()):
        each = Reader(data, inner)
        item = items.get(each.number(size), Item(b""))
        others = [each.number(size) for _ in range(each.number(2))]
        if inner.name == MADE_OF:
            item.made_of += others
        if inner.name == BELONGS_TO:
            item.belongs_to += others
