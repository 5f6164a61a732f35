"""WebP: whole where its data fill the picture, and 16 bytes less would not.

WebP has no checksum. libwebp raises where data are missing; that damaged data end before their last byte it
does not notice. So a file whose picture decodes as well without its end is refused, and one with a long run
of zeros, such as a lost sector leaves. Only the (first) picture and its alpha are handed to the decoder.
Source: RFC 9649.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tasks.pictures.orientation import orientation_of
from tasks.pictures.outcome import ImageError, Picture, check_size, corrupt
from tasks.pictures.pillow import load
from tasks.pictures.profiles import read_profile

LOSSY, LOSSLESS, ALPHA, FRAME, EXTENDED = b"VP8 ", b"VP8L", b"ALPH", b"ANMF", b"VP8X"
HAS_ALPHA = 0x10
SPARE_BYTES = 16  # what an encoder may leave unused at the end
ZEROS = re.compile(rb"\0{64,}")
BLOCKS_A_ZERO = 20  # of 16x16 pixels: a flat area codes at least so many of them in a byte of zeros


@dataclass(frozen=True)
class Still:
    """The picture of a WebP, or the first of an animation, and where it lies on its canvas."""

    left: int
    top: int
    width: int
    height: int
    chunk: bytes
    data: bytes
    alpha: bytes

    def file(self, spare_bytes: int = 0) -> bytes:
        """A WebP of this picture alone, without its last `spare_bytes`."""
        data = self.data[: len(self.data) - spare_bytes]
        chunks = packed(self.chunk, data)
        if self.alpha:
            size = struct.pack("<I", self.width - 1)[:3] + struct.pack("<I", self.height - 1)[:3]
            chunks = packed(EXTENDED, bytes([HAS_ALPHA, 0, 0, 0]) + size) + packed(ALPHA, self.alpha) + chunks
        return packed(b"RIFF", b"WEBP" + chunks)


def open_webp(data: bytes) -> Picture:
    """Read the structure of a WebP. Raises ImageError."""
    chunks = list(read_chunks(data, 12))
    still = first_still(chunks)
    extended = next((content for name, content in chunks if name == EXTENDED and len(content) >= 10), None)
    width, height = size_at(extended, 4) if extended else (still.width, still.height)
    if still.left + still.width > width or still.top + still.height > height:
        raise corrupt("a WebP whose picture is larger than its canvas")
    check_size(width, height)
    exif, xmp = ([content for name, content in chunks if name == kind] for kind in (b"EXIF", b"XMP "))
    icc = next((content for name, content in chunks if name == b"ICCP"), None)
    profile = read_profile(icc) if icc else None

    def decode(_: int) -> np.ndarray:
        check_whole(still)
        return on_canvas(load(still.file(), "WEBP"), still, width, height)

    return Picture("WEBP", width, height, orientation_of(exif, xmp), False, decode, profile)


def exif_in(data: bytes) -> bytes:
    """The EXIF of a WebP; empty where it has none."""
    return next((content for name, content in read_chunks(data, 12) if name == b"EXIF"), b"")


def read_chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each chunk; the content of the last one may be cut by the end of the file."""
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        yield name, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def packed(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def first_still(chunks: list[tuple[bytes, bytes]]) -> Still:
    left = top = 0
    frame = next((content for name, content in chunks if name == FRAME), None)
    if frame is not None:
        left, top = (2 * int.from_bytes(frame[start : start + 3], "little") for start in (0, 3))
        chunks = list(read_chunks(frame, 16))
    alpha = next((content for name, content in chunks if name == ALPHA), b"")
    for name, content in chunks:
        if name in (LOSSY, LOSSLESS):
            width, height = size_of(name, content)
            return Still(left, top, width, height, name, content, alpha if name == LOSSY else b"")
    raise corrupt("a WebP without a picture")


def size_of(name: bytes, content: bytes) -> tuple[int, int]:
    if len(content) < 10:
        raise corrupt("a WebP that ends before its picture begins")
    if name == LOSSY:
        width, height = struct.unpack_from("<HH", content, 6)
        return width & 0x3FFF, height & 0x3FFF
    bits = int.from_bytes(content[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def size_at(content: bytes, at: int) -> tuple[int, int]:
    width, height = (int.from_bytes(content[start : start + 3], "little") + 1 for start in (at, at + 3))
    return width, height


def check_whole(still: Still) -> None:
    """Raise ImageError for data that are damaged in one of the two ways that show."""
    blocks = -(-still.width // 16) * -(-still.height // 16)
    most_zeros = 64 + (blocks // BLOCKS_A_ZERO if still.chunk == LOSSY else 0)
    if max((len(zeros) for zeros in ZEROS.findall(still.data)), default=0) > most_zeros:
        raise corrupt("a part of its image data is zeros")
    if len(still.data) <= 2 * SPARE_BYTES:
        return
    try:
        load(still.file(SPARE_BYTES), "WEBP")
    except ImageError:
        return
    raise corrupt("its image data are damaged: they fill the picture before they end")


def on_canvas(pixels: np.ndarray, still: Still, width: int, height: int) -> np.ndarray:
    """The picture where it lies on its canvas, which is transparent around it."""
    if (still.width, still.height) == (width, height):
        return pixels
    canvas = np.zeros((height, width, 4), np.uint8)
    area = canvas[still.top : still.top + still.height, still.left : still.left + still.width]
    area[:, :, 3] = 255
    area[:, :, : pixels.shape[2]] = pixels
    return canvas
