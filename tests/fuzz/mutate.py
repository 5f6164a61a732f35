"""Damages files as disks, networks and attackers do."""

import random
import struct
import zlib
from collections.abc import Callable

from tests.fuzz.corpus import PNG_START, png, png_chunks

CHUNKS = (b"IDAT", b"tRNS", b"PLTE", b"eXIf", b"zTXt", b"fdAT", b"acTL", b"pHYs", b"iCCP")
SHORTEST = 16
NUMBERS = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(data: bytes, chance: random.Random) -> bytes:
    ending = chance.choice((b"", b"\xff\xd9", b"\0\0\0\0IEND\xaeB`\x82", b"\0;", bytes(99)))
    return data[: chance.randrange(1, len(data))] + ending


def blank(data: bytes, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(data)), chance.choice((4, 64, 512, 4096))
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def remove(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    return data[:start] + data[start + chance.choice((1, 4, 64, 512)) :]


def repeat(data: bytes, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(data)), chance.choice((1, 4, 64, 512))
    return data[: start + length] + data[start:]


def number(data: bytes, chance: random.Random) -> bytes:
    """A number of the header becomes an extreme one."""
    layout = chance.choice((">I", "<I", ">H", "<H", "B"))
    value = struct.pack(layout, chance.choice(NUMBERS) & ((1 << 8 * struct.calcsize(layout)) - 1))
    start = chance.randrange(min(len(data), chance.choice((32, 256, len(data)))))
    return data[:start] + value + data[start + len(value) :]


def chunk(data: bytes, chance: random.Random) -> bytes:
    """A chunk of a PNG is changed under a right checksum, moved or added; of other formats the end."""
    if not data.startswith(PNG_START):
        return data[:-400] + flip(data[-400:], chance)
    try:
        chunks = list(png_chunks(data))
    except struct.error:
        return data
    index = chance.randrange(len(chunks))
    name, content = chunks[index]
    if content and chance.random() < 0.5:
        chunks[index] = name, flip(content, chance)
    elif chance.random() < 0.5:
        chunks.insert(chance.randrange(len(chunks)), chunks.pop(index))
    else:
        name = chance.choice(
            (b"IDAT", b"tRNS", b"PLTE", b"eXIf", b"zTXt", b"fdAT", b"acTL", b"pHYs", b"iCCP")
        )
        chunks.insert(
            chance.randrange(len(chunks)), (name, chance.choice((b"", content, zlib.compress(bytes(999)))))
        )
    return png(*chunks)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip, cut, blank, remove, repeat, number, number, chunk,
)  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if len(data) >= SHORTEST:
            data = chance.choice(MUTATIONS)(data, chance)
    return data
