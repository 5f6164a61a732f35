"""JPEG: whole where libjpeg finds every block of every scan, the end marker apart.

A JPEG has no checksum, but where data are cut, removed, zeroed or overwritten, libjpeg runs out of bits or
has some left, and says so; `strict` makes an error of that. (Huffman codes fall into step again: damage that
leaves the number of blocks as it was, to within 8 bytes at the end, shows nowhere. Of 400 small photographs
all were refused that were cut, nine in ten that lost 512 bytes, and half that lost 16.) Whole scans of a
progressive file libjpeg does not miss: `check_scans` does. A missing end marker costs no pixel.
Source: ITU-T T.81, annexes B and G; libjpeg-turbo.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from tasks.pictures.colours import rgb
from tasks.pictures.orientation import EXIF_START, orientation_of
from tasks.pictures.outcome import Picture, Profile, check_size, corrupt, unsupported
from tasks.pictures.pillow import load
from tasks.pictures.profiles import read_profile

START, END = b"\xff\xd8\xff", b"\xff\xd9"
XMP_START = b"http://ns.adobe.com/xap/1.0/\0"
PROFILE_START = b"ICC_PROFILE\0"
APP0, APP1, APP2, APP14, COMMENT, SCAN = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0xDA
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
HUFFMAN = (BASELINE, EXTENDED, PROGRESSIVE)
ARITHMETIC = (0xC9, 0xCA)
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # other markers of that range are tables
MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")
OF_THE_HEADER = ("JFIF revision", "ICC marker", "Adobe")  # warnings that concern no pixel
FEW_ZEROS = bytes(32)  # found fast, and hardly ever
ALL_COEFFICIENTS = (1 << 64) - 1  # of a block, a bit for each
PLAIN_PIXELS, PLAIN_SCANS = 50_000_000, 100


@dataclass(frozen=True)
class Frame:
    """What the frame header of a JPEG states; components: the identifier of each."""

    process: int
    bits: int
    width: int
    height: int
    components: tuple[int, ...]


@dataclass(frozen=True)
class Segment:
    """A marker segment of the header: its content without the length lies at data[start:stop]."""

    marker: int
    start: int
    stop: int


def open_jpeg(data: bytes) -> Picture:
    """Read frame, orientation and scans of a JPEG. Raises ImageError."""
    segments = list(read_segments(data))
    frame = next((frame_of(data, segment) for segment in segments if segment.marker in FRAMES), None)
    if frame is None or segments[-1].marker != SCAN:
        raise corrupt("a JPEG that ends before its picture begins")
    check_frame(frame, len(data))
    scans = check_scans(data, frame, segments[-1])
    profile = profile_in(data, segments, frame)
    plain = (
        frame.process in HUFFMAN
        and len(frame.components) in (1, 3)
        and frame.width * frame.height <= PLAIN_PIXELS
        and scans <= PLAIN_SCANS
        and (profile is None or profile.plain)
    )

    def decode(size_px: int) -> np.ndarray:
        if len(frame.components) == 4:
            return decode_cmyk(data, profile)
        return decode_jpeg(data, frame, size_px)

    orientation = orientation_in(data, segments)
    of_rgb = None if len(frame.components) == 4 else profile
    return Picture("JPEG", frame.width, frame.height, orientation, plain, decode, of_rgb)


def read_segments(data: bytes) -> Iterator[Segment]:
    """Yield the marker segments up to the first scan's."""
    at = 2
    while match := MARKER.search(data, at):
        marker, start = match[1][0], match.end()
        if marker == 0xD9 or start + 2 > len(data):
            return
        stop = start + int.from_bytes(data[start : start + 2], "big")
        if marker == 0x01:
            at = start
            continue
        if stop > len(data):
            return
        yield Segment(marker, start + 2, stop)
        if marker == SCAN:
            return
        at = max(stop, start + 2)


def frame_of(data: bytes, segment: Segment) -> Frame:
    content = data[segment.start : segment.stop]
    if len(content) < 6 or len(content) < 6 + 3 * content[5]:
        raise corrupt("a JPEG with a broken frame header")
    bits, height, width, count = struct.unpack_from(">BHHB", content)
    return Frame(segment.marker, bits, width, height, tuple(content[6 : 6 + 3 * count : 3]))


def check_frame(frame: Frame, size: int) -> None:
    """Raise ImageError for a kind of JPEG that is not decoded, and for more pixels than `size` bytes hold."""
    if frame.bits != 8:
        raise unsupported(f"a JPEG of {frame.bits} bits a sample")
    if frame.process not in HUFFMAN + ARITHMETIC:
        name = "lossless" if frame.process in (0xC3, 0xCB) else "hierarchical"
        raise unsupported(f"a {name} JPEG")
    if len(frame.components) not in (1, 3, 4):
        raise unsupported(f"a JPEG of {len(frame.components)} colour components")
    check_size(frame.width, frame.height)
    blocks = -(-frame.width // 8) * -(-frame.height // 8)  # each takes at least one bit
    if frame.process in HUFFMAN and 8 * size < blocks:
        raise corrupt(f"truncated: {size:,} bytes cannot hold {frame.width}x{frame.height} pixels")


def check_scans(data: bytes, frame: Frame, first: Segment) -> int:
    """The number of scans. Raises ImageError where not every coefficient of every component is in one."""
    if frame.process in (BASELINE, EXTENDED) and data[first.start] == len(frame.components):
        check_zeros(data, frame, first)
        return 1
    missing = dict.fromkeys(frame.components, ALL_COEFFICIENTS)
    scans = 0
    for components, first_k, last_k, low_bit in read_scans(data, first):
        scans += 1
        if frame.process not in (PROGRESSIVE, 0xCA):
            first_k, last_k, low_bit = 0, 63, 0
        if not low_bit:
            for component in components:
                missing[component] = missing.get(component, 0) & ~((2 << last_k) - (1 << first_k))
    if any(missing.values()):
        raise corrupt("truncated: scans of this progressive JPEG are missing")
    return scans


def check_zeros(data: bytes, frame: Frame, scan: Segment) -> None:
    """Raise ImageError for more zeros in a row than all blocks have: each takes two bits at least."""
    first = data.find(FEW_ZEROS, scan.stop)
    if first < 0:
        return
    blocks = -(-frame.width // 8) * -(-frame.height // 8) * len(frame.components)
    end = data.find(END, scan.stop)
    if data.find(bytes(blocks // 4 + 64), first, end if end >= 0 else len(data)) >= 0:
        raise corrupt("a part of its image data is zeros")


def read_scans(data: bytes, first: Segment) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield each scan: its components, the first and last coefficient, and its lowest bit."""
    at = first.start - 3
    while match := MARKER.search(data, at):
        start = match.end() + 2
        at = max(match.end() + int.from_bytes(data[match.end() : start], "big"), start)
        if match[1][0] == 0xD9:
            return
        if match[1][0] == SCAN and len(data) > start + 3 + 2 * data[start]:
            count = data[start]
            first_k, last_k, bits = data[start + 1 + 2 * count : start + 4 + 2 * count]
            yield data[start + 1 : start + 1 + 2 * count : 2], first_k, min(last_k, 63), bits & 15


def exif_in(data: bytes) -> bytes:
    """The first EXIF of a JPEG; empty where it has none. Raises ImageError for what is no JPEG."""
    contents = (data[each.start : each.stop] for each in read_segments(data) if each.marker == APP1)
    return next((content for content in contents if content.startswith(EXIF_START)), b"")


def orientation_in(data: bytes, segments: list[Segment]) -> int:
    contents = [data[each.start : each.stop] for each in segments if each.marker == APP1]
    if not contents:
        return 1
    exif = (content for content in contents if content.startswith(EXIF_START))
    xmp = (content for content in contents if content.startswith(XMP_START))
    return orientation_of(exif, xmp)


def profile_in(data: bytes, segments: list[Segment], frame: Frame) -> Profile | None:
    """The profile that lies in one or more segments, each with its number and their count before it."""
    contents = [data[each.start : each.stop] for each in segments if each.marker == APP2]
    pieces = sorted(content[12:] for content in contents if content.startswith(PROFILE_START))
    if not pieces:
        return None
    return read_profile(b"".join(piece[2:] for piece in pieces), cmyk=len(frame.components) == 4)


def decode_jpeg(data: bytes, frame: Frame, size_px: int) -> np.ndarray:
    """Decode to RGB, scaled by 1, 1/2, 1/4 or 1/8 while decoding: the smallest that leaves `size_px`.

    Raises ImageError where the data are not whole.
    """
    factor = next((f for f in (8, 4, 2) if min(frame.width, frame.height) >= f * size_px), 1)
    least = {"min_height": -(-frame.height // factor), "min_width": -(-frame.width // factor)}
    return decode_strictly(data, colorspace="RGB", min_factor=factor, **least)


def decode_cmyk(data: bytes, inks: Profile | None) -> np.ndarray:
    decode_strictly(data, colorspace="CMYK")
    if inks:
        return load(data, "JPEG", inks)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise corrupt("does not decode")
    return rgb(pixels)


def decode_strictly(data: bytes, **options: object) -> np.ndarray:
    """Decode a JPEG with simplejpeg, which refuses what libjpeg warns of. Raises ImageError."""
    try:
        return simplejpeg.decode_jpeg(data, **options)
    except ValueError as error:
        reason = str(error)
    if "Premature end of JPEG file" in reason and not data.endswith(END):
        return decode_strictly(data + END, **options)
    if any(words in reason for words in OF_THE_HEADER) and (bare := without_notes(data)) != data:
        return decode_strictly(bare, **options)
    if "subsampling" in reason:
        raise unsupported("a JPEG whose colours are sampled in an unusual way")
    raise corrupt(f"damaged: {reason.removeprefix('Corrupt JPEG data: ')}")


def without_notes(data: bytes) -> bytes:
    """The JPEG without the segments that programs leave notes in; of those only Adobe's concerns colours."""
    pieces = []
    at = 2
    for segment in read_segments(data):
        if segment.marker in {*range(APP0, APP0 + 16), COMMENT} - {APP14}:
            pieces.append(data[at : segment.start - 4])
            at = segment.stop
    return b"".join([data[:2], *pieces, data[at:]])
