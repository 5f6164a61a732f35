"""AVIF and HEIC: whole where all data of the picture lie in the file and the decoder takes them.

dav1d refuses AV1 data that do not end where they should. libde265 hides damage, so HEIC data are looked
through beforehand: the lengths of their units must add up, and no unit may hold two zeros and a number below
three, which HEVC never writes. (Neither has a checksum: some damage within HEIC data passes.) Only the
primary picture counts, not thumbnails, depth, gain maps or a sequence's other frames.
Sources: ISO/IEC 23008-12 (HEIF), 23000-22 (MIAF); AV1 Image File Format 1.1; ITU-T H.265, 7.4.2.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tasks.pictures.boxes import Item, Items, read_items
from tasks.pictures.orientation import UPRIGHT
from tasks.pictures.outcome import Picture, Profile, check_size, corrupt, unsupported
from tasks.pictures.pillow import load, load_heic
from tasks.pictures.profiles import profile_of_codes, read_profile

AV1, HEVC = b"av01", (b"hvc1", b"hev1")
CODINGS = {
    b"avc1": "an AVC picture in HEIF", b"jpeg": "a JPEG in HEIF", b"j2k1": "a JPEG 2000 image in HEIF",
    b"unci": "an uncompressed picture in HEIF", b"vvc1": "a VVC picture in HEIF",
    b"lhv1": "a layered HEIC image",
}  # fmt: skip
NEVER_IN_HEVC = re.compile(rb"\0\0[\0\1\2]")
ZEROS = re.compile(rb"\0{64,}")
BLOCKS_A_ZERO = 20  # of 64x64 pixels: a flat area codes at least so many of them in a byte of zeros
TURNS = {  # by quarters anticlockwise, and the axis of the mirror that follows, if one does
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip
EXIF, LONGEST_EXIF = b"Exif", 1_000_000


@dataclass(frozen=True)
class Still:
    """The primary picture of a file: its item, the coded items it is made of, and its size as stored."""

    items: Items
    coded: list[Item]
    width: int
    height: int

    @property
    def item(self) -> Item:
        return self.items.by_number[self.items.primary]


def open_heif(data: bytes) -> Picture:
    """Read the structure of an AVIF or HEIC file. Raises ImageError."""
    still = still_of(data)
    check_size(still.width, still.height)
    check_spans(data, still)
    profile = profile_of(still.item)
    if still.coded[0].kind == AV1:

        def decode_av1(_: int) -> np.ndarray:
            check_zeros(data, still)
            return load(data, "AVIF")

        return Picture(
            "AVIF", still.width, still.height, orientation_of(still.item), False, decode_av1, profile
        )

    def decode_hevc(_: int) -> np.ndarray:
        check_units(data, still)
        return load_heic(data)

    width, height = size_upright(still)
    return Picture("HEIC", width, height, UPRIGHT, False, decode_hevc, profile)  # libheif turns it


def still_of(data: bytes) -> Still:
    items = read_items(data)
    primary = items.by_number[items.primary]
    alphas = [number for number, item in items.by_number.items() if is_alpha_of(item, items.primary)]
    coded = [items.by_number[number] for number in closure(items, [items.primary, *alphas])]
    coded = [item for item in coded if not item.made_of]
    if not coded:
        raise corrupt("it is made of itself")
    kinds = {item.kind for item in coded}
    if not kinds <= {AV1} and not kinds <= set(HEVC):
        other = next(
            (CODINGS[kind] for kind in sorted(kinds) if kind in CODINGS), "a HEIF picture of an odd kind"
        )
        raise unsupported(other)
    size = primary.property(b"ispe", 12)
    if size is None:
        raise corrupt("it states no width or height")
    return Still(items, coded, int.from_bytes(size[4:8], "big"), int.from_bytes(size[8:12], "big"))


def is_alpha_of(item: Item, primary: int) -> bool:
    """Other pictures that belong to one are maps of depth or brightness, which are not decoded."""
    kind = item.property(b"auxC") or b""
    return primary in item.belongs_to and (b"alpha" in kind or b"hevc:2015:auxid:1" in kind)


def closure(items: Items, numbers: list[int]) -> list[int]:
    """The numbers of items, and of all that they are made of. Raises ImageError where one is missing."""
    seen: dict[int, None] = {}
    waiting = list(numbers)
    while waiting:
        number = waiting.pop()
        if number not in items.by_number:
            raise corrupt("a tile of it is missing")
        if number not in seen:
            seen[number] = None
            waiting += items.by_number[number].made_of
    return list(seen)


def check_spans(data: bytes, still: Still) -> None:
    for item in [still.item, *still.coded]:
        if not item.spans or any(stop > len(data) or stop <= start for start, stop in item.spans):
            raise corrupt("truncated: image data are not in the file")


def check_zeros(data: bytes, still: Still) -> None:
    blocks = -(-still.width // 64) * -(-still.height // 64)
    for item in still.coded:
        for start, stop in item.spans:
            zeros = max((len(run) for run in ZEROS.findall(data, start, stop)), default=0)
            if zeros > 64 + blocks // BLOCKS_A_ZERO:
                raise corrupt("a part of its image data is zeros")


def check_units(data: bytes, still: Still) -> None:
    """Raise ImageError where the units of HEVC data are not whole, or hold what none may."""
    for item in still.coded:
        settings = item.property(b"hvcC", 23)
        if settings is None:
            raise corrupt("a HEIC image without the settings of its decoder")
        coded = b"".join(data[start:stop] for start, stop in item.spans)
        for unit in units_of(coded, (settings[21] & 3) + 1):
            if NEVER_IN_HEVC.search(unit):
                raise corrupt("its image data are damaged")


def units_of(coded: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    while at < len(coded):
        length = int.from_bytes(coded[at : at + length_bytes], "big")
        at += length_bytes + length
        if not length or at > len(coded):
            raise corrupt("its image data are damaged: they end before the last unit does")
        yield coded[at - length : at]


def orientation_of(item: Item) -> int:
    """EXIF's number for how AVIF says that the picture is turned; EXIF itself does not count there."""
    turn, mirror = item.property(b"irot"), item.property(b"imir")
    return TURNS[turn[0] & 3 if turn else 0, mirror[0] & 1 if mirror else None]


def size_upright(still: Still) -> tuple[int, int]:
    """Width and height after the crop and the turn that a HEIC states."""
    width, height = still.width, still.height
    if crop := still.item.property(b"clap", 16):
        numbers = [int.from_bytes(crop[at : at + 4], "big") for at in (0, 4, 8, 12)]
        if numbers[1] and numbers[3]:
            width, height = numbers[0] // numbers[1], numbers[2] // numbers[3]
    turn = still.item.property(b"irot")
    return (height, width) if turn and turn[0] & 1 else (width, height)


def profile_of(item: Item) -> Profile | None:
    """By the ICC profile, else by the numbers of H.273; None for sRGB. Raises ImageError for HDR."""
    colours = [content for name, content in item.properties if name == b"colr"]
    codes = next((each for each in colours if each[:4] == b"nclx" and len(each) >= 8), None)
    numbers = profile_of_codes(*np.frombuffer(codes, ">u2", 2, 4).tolist()) if codes else None
    icc = next((each[4:] for each in colours if each[:4] in (b"prof", b"rICC")), None)
    return read_profile(icc) if icc else numbers


def exif_in(data: bytes) -> bytes:
    """The EXIF of an AVIF or HEIC file; empty where it has none. Raises ImageError for a broken structure."""
    items = read_items(data).by_number.values()
    start, stop = next((item.spans[0] for item in items if item.kind == EXIF and item.spans), (0, 0))
    content = data[start : min(stop, start + LONGEST_EXIF)]
    return content[4 + int.from_bytes(content[:4], "big") :]  # which begins with where the TIFF header is
