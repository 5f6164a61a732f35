"""TIFF: what its first page holds, and whether that is decoded.

Pillow gets a file whose only directory has the tags that its pixels need: no EXIF, profile or later page,
and no orientation, which `decode_image` applies once.
Sources: TIFF 6.0 (Adobe 1992); TIFF technical notes; BigTIFF.
"""

import struct

import numpy as np

from tasks.pictures.colours import check_range, eight_bits
from tasks.pictures.ifd import Entry, Layout, layout_of, read_directory
from tasks.pictures.orientation import ORIENTATION_TAG, UPRIGHT, xmp_orientation
from tasks.pictures.outcome import Picture, Profile, check_size, corrupt, unsupported
from tasks.pictures.page import (
    BITS,
    CMYK,
    COLOUR_MAP,
    COLOURS,
    COMPRESSION,
    COUNTS,
    DNG,
    EXTRA,
    FAX_OPTIONS,
    FILL_ORDER,
    FORMAT,
    HEIGHT,
    JPEG_TABLES,
    OFFSETS,
    OTHER_PAGES,
    PAGE_KIND,
    PALETTE,
    PHOTOMETRIC,
    PLANES,
    PREDICTOR,
    PROFILE,
    ROWS,
    SAMPLES,
    TILE_COUNTS,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_WIDTH,
    WHITE_IS_ZERO,
    WIDTH,
    XMP,
    YCBCR,
    YCC,
    Page,
    numbers,
    page_of,
)
from tasks.pictures.pillow import load, printed
from tasks.pictures.profiles import read_profile
from tasks.pictures.strips import check_strips

OF_PIXELS = {
    WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, OFFSETS, SAMPLES, ROWS, COUNTS, PLANES,
    TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, PREDICTOR, COLOUR_MAP, EXTRA, FORMAT, JPEG_TABLES,
    *FAX_OPTIONS, *YCBCR,
}  # fmt: skip

COMPRESSIONS = {
    1: "none", 2: "fax", 3: "fax", 4: "fax", 5: "lzw", 7: "jpeg", 8: "deflate", 32773: "packbits",
    32946: "deflate", 34925: "lzma", 50000: "zstd",
}  # fmt: skip
NOT_DECODED = {
    6: "old-style JPEG", 34661: "JBIG", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 50001: "WebP",
    50002: "JPEG XL", 52546: "JPEG XL", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 33003: "JPEG 2000",
    33005: "JPEG 2000", 34713: "Nikon NEF",
}  # fmt: skip
COLOURS_NOT_DECODED = {
    4: "a TIFF of a transparency mask", 8: "a TIFF in CIELAB colours", 9: "a TIFF in ICC LAB colours",
    10: "a TIFF in ITU LAB colours", 32803: "a camera's raw file", 34892: "a camera's raw file",
    32844: "a TIFF in LogL light", 32845: "a TIFF in LogLuv light",
}  # fmt: skip
FORMATS_NOT_DECODED = {
    2: "of signed integers",
    3: "of floating-point numbers",
    5: "of complex numbers",
    6: "of complex numbers",
}


def open_tiff(data: bytes) -> Picture:
    """Read the first directory of a TIFF. Raises ImageError."""
    try:
        tags, layout = read_directory(data), layout_of(data)
    except ValueError as error:
        raise corrupt(str(error)) from None
    check_readable(tags)
    page = page_of(tags)
    check_page(page, tags)
    check_size(page.width, page.height)
    profile = profile_in(tags, page)

    def decode(_: int) -> np.ndarray:
        check_strips(data, tags, page)
        with printed() as errors:
            pixels = load(with_directory(data, layout, tags), "TIFF", profile)
        if errors and COMPRESSIONS[page.compression] == "fax":  # of bad codes libtiff only prints
            raise corrupt(f"damaged: {errors[0].decode(errors='replace')}")
        if pixels.ndim == 2:
            return grey_of(pixels, page)
        if page.bits == 16:
            check_range(int(pixels[:, :, :3].max()) << 8)
        return pixels

    of_rgb = None if page.photometric == CMYK else profile
    return Picture("TIFF", page.width, page.height, orientation_in(tags), False, decode, of_rgb)


def profile_in(tags: dict[int, Entry], page: Page) -> Profile | None:
    return read_profile(tags[PROFILE].content, page.photometric == CMYK) if PROFILE in tags else None


def orientation_in(tags: dict[int, Entry]) -> int:
    """The page's own orientation, else XMP's."""
    stated = next(iter(numbers(tags, ORIENTATION_TAG)), None)
    if stated is None and XMP in tags:
        stated = xmp_orientation(tags[XMP].content)
    return stated if stated and stated < 9 else UPRIGHT


def check_readable(tags: dict[int, Entry]) -> None:
    if DNG in tags or (PAGE_KIND in tags and sum(tags[PAGE_KIND].numbers) & 1 and OTHER_PAGES in tags):
        raise unsupported("a camera's raw file")
    if WIDTH not in tags or HEIGHT not in tags:
        raise corrupt("a TIFF that states no width or height")


def check_page(page: Page, tags: dict[int, Entry]) -> None:
    """Raise ImageError, with its name, for a kind of TIFF that is not decoded."""
    for number in numbers(tags, FORMAT):
        if number in FORMATS_NOT_DECODED:
            raise unsupported(f"a TIFF {FORMATS_NOT_DECODED[number]}")
    if page.photometric not in COLOURS:
        kind = COLOURS_NOT_DECODED.get(
            page.photometric, f"a TIFF of photometric interpretation {page.photometric}"
        )
        raise unsupported(kind)
    if page.compression not in COMPRESSIONS:
        raise unsupported(
            f"{NOT_DECODED.get(page.compression, f'number {page.compression}')} compression in a TIFF"
        )
    if page.bits > 16 or page.extra < 0 or not is_decoded_right(page):
        planes = " in planes of their own" if page.planar and page.samples > 1 else ""
        raise unsupported(f"a TIFF of {page.samples} x {page.bits} bits a pixel{planes}")
    if page.photometric == PALETTE and max(numbers(tags, COLOUR_MAP), default=0) < 256:
        raise unsupported("a TIFF whose table of colours has 8 bits instead of 16")


def is_decoded_right(page: Page) -> bool:
    """Whether Pillow reads such samples as they are meant (it raises for more, and misreads these)."""
    if page.photometric == YCC:
        return COMPRESSIONS[page.compression] == "jpeg"
    return not (page.planar and page.samples > 1 and page.bits != 8)


def grey_of(samples: np.ndarray, page: Page) -> np.ndarray:
    """Grey samples of 12 or 16 bits as RGB."""
    grey = (samples >> 4).astype(np.uint8) if page.bits == 12 else eight_bits(samples)
    if page.photometric == WHITE_IS_ZERO:
        grey = ~grey
    return np.dstack([grey] * 3)


def with_directory(data: bytes, layout: Layout, tags: dict[int, Entry]) -> bytes:
    """The file with a first directory of the tags that its pixels need, and no other directory."""
    entries = [tags[tag].raw for tag in sorted(OF_PIXELS & tags.keys())]
    padding = bytes(-len(data) % 8)
    at = layout.first_offset_at
    header = data[:at] + struct.pack(layout.pointer, len(data) + len(padding))
    directory = struct.pack(layout.count, len(entries)) + b"".join(entries) + struct.pack(layout.pointer, 0)
    return b"".join([header, data[len(header) :], padding, directory])
