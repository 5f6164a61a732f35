"""What the tags of a TIFF's first page say of its pixels. Source: TIFF 6.0 (Adobe 1992), section 8."""

from dataclasses import dataclass

from tasks.pictures.ifd import Entry
from tasks.pictures.outcome import unsupported

PAGE_KIND, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, OFFSETS, SAMPLES, ROWS, COUNTS, LARGEST, PLANES = 266, 273, 277, 278, 279, 281, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
PREDICTOR, COLOUR_MAP, OTHER_PAGES, EXTRA, FORMAT, JPEG_TABLES, XMP, PROFILE, DNG = (
    317, 320, 330, 338, 339, 347, 700, 34675, 50706,
)  # fmt: skip
FAX_OPTIONS, YCBCR = (292, 293), (529, 530, 531, 532)
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCC = 0, 1, 2, 3, 5, 6
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCC: 3}
UNCOMPRESSED, LZW, JPEG = 1, 5, 7


@dataclass(frozen=True)
class Page:
    """bits: of one sample; samples: of one pixel."""

    width: int
    height: int
    bits: int
    samples: int
    compression: int
    photometric: int
    planar: bool
    tiled: bool

    @property
    def extra(self) -> int:
        """Samples of a pixel beyond its colours; the first may be alpha."""
        return self.samples - COLOURS[self.photometric]


def page_of(tags: dict[int, Entry]) -> Page:
    def number(tag: int, otherwise: int) -> int:
        return next(iter(tags[tag].numbers), otherwise) if tag in tags else otherwise

    bits = set(tags[BITS].numbers) if BITS in tags else {1}
    if len(bits) != 1:
        raise unsupported("a TIFF whose samples differ in bits")
    return Page(
        width=number(WIDTH, 0),
        height=number(HEIGHT, 0),
        bits=bits.pop(),
        samples=number(SAMPLES, 1),
        compression=number(COMPRESSION, 1),
        photometric=number(PHOTOMETRIC, WHITE_IS_ZERO),
        planar=number(PLANES, 1) == 2,
        tiled=TILE_OFFSETS in tags,
    )


def numbers(tags: dict[int, Entry], tag: int) -> tuple[int, ...]:
    return tags[tag].numbers if tag in tags else ()
