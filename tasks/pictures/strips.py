"""Whether each strip or tile of a TIFF is whole: it decodes to as many bytes as its rows have.

libtiff stops when the rows are full: of damaged data that go on after it, it says nothing, nor of checksums
it did not come to, nor of warnings of libjpeg.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from tasks.pictures import lzw
from tasks.pictures.ifd import Entry
from tasks.pictures.jpeg import decode_strictly
from tasks.pictures.outcome import corrupt
from tasks.pictures.page import (
    COUNTS,
    JPEG,
    JPEG_TABLES,
    LZW,
    OFFSETS,
    ROWS,
    TILE_COUNTS,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_WIDTH,
    UNCOMPRESSED,
    Page,
    numbers,
)

FAX_ZEROS = bytes(4)  # no fax code has so many bits of zero


@dataclass(frozen=True)
class Strip:
    """The data of a strip or tile, and how many bytes they must and may decode to."""

    data: bytes
    least: int
    most: int


def check_strips(data: bytes, tags: dict[int, Entry], page: Page) -> None:
    """Raise ImageError unless all strips or tiles of the page are whole."""
    check = CHECKS.get(page.compression)
    tables = tags[JPEG_TABLES].content if JPEG_TABLES in tags else b""
    for strip in read_strips(data, tags, page):
        if page.compression == JPEG:
            decode_strictly(tables[:-2] + strip.data[2:] if tables else strip.data)
        elif check and not check(strip):
            raise corrupt("its image data are damaged")


def read_strips(data: bytes, tags: dict[int, Entry], page: Page) -> Iterator[Strip]:
    """Yield the strips or tiles that the picture needs. Raises ImageError where they are missing or cut."""
    across, heights, most_rows, width = grid(tags, page)
    planes = page.samples if page.planar else 1
    row_bytes = -(-width * page.bits * (page.samples // planes) // 8)
    rows = [rows for _ in range(planes) for rows in heights for _ in range(across)]
    offsets = numbers(tags, TILE_OFFSETS if page.tiled else OFFSETS)
    counts = numbers(tags, TILE_COUNTS if page.tiled else COUNTS)
    if len(offsets) < len(rows):
        raise corrupt(f"truncated: {len(offsets):,} of {len(rows):,} strips")
    for height, offset, count in zip_longest(rows, offsets[: len(rows)], counts[: len(rows)]):
        least, most = height * row_bytes, most_rows * row_bytes
        count = least if page.compression == UNCOMPRESSED and not count else count or len(data) - offset
        if offset + count > len(data) or (page.compression == UNCOMPRESSED and count < least):
            raise corrupt("truncated: a strip of its image data is not in the file")
        yield Strip(data[offset : offset + count], least, most)


def grid(tags: dict[int, Entry], page: Page) -> tuple[int, list[int], int, int]:
    """How many strips lie side by side, the rows that each needs, the most rows of one, its width."""
    if page.tiled:
        width, height = (next(iter(numbers(tags, tag)), 0) for tag in (TILE_WIDTH, TILE_HEIGHT))
        if not width or not height or width * height > LARGEST_TILE:
            raise corrupt("a TIFF with tiles of no sensible size")
        return -(-page.width // width), [height] * -(-page.height // height), height, width
    rows = min(next(iter(numbers(tags, ROWS)), page.height) or page.height, page.height)
    heights = [min(rows, page.height - top) for top in range(0, page.height, rows)]
    return 1, heights, rows, page.width


def is_whole_deflate(strip: Strip) -> bool:
    inflater = zlib.decompressobj()
    try:
        length = len(inflater.decompress(strip.data, strip.most + 1))
        inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error:
        return False
    return inflater.eof and strip.least <= length <= strip.most


def is_whole_lzw(strip: Strip) -> bool:
    if strip.data[:1] == b"\0" and len(strip.data) > 1 and strip.data[1] & 1:
        return (
            True  # LZW as before TIFF 5.0, bits in reverse: libtiff decodes it, and notices what is missing
        )
    return strip.least <= lzw.tiff_length(strip.data) <= strip.most


def is_whole_packbits(strip: Strip) -> bool:
    data, at, length = strip.data, 0, 0
    while at < len(data) and length < strip.most:
        if data[at] < 128:
            length += data[at] + 1
            at += data[at] + 2
        else:
            length += (257 - data[at]) % 129
            at += 1 if data[at] == 128 else 2
    return strip.least <= length <= strip.most and at <= len(data) and len(data) - at <= 1


def is_whole_fax(strip: Strip) -> bool:
    return FAX_ZEROS not in strip.data.rstrip(b"\0")


LARGEST_TILE = 1 << 28  # pixels
CHECKS: dict[int, Callable[[Strip], bool]] = {
    2: is_whole_fax,
    3: is_whole_fax,
    4: is_whole_fax,
    LZW: is_whole_lzw,
    8: is_whole_deflate,
    32946: is_whole_deflate,
    32773: is_whole_packbits,
}
