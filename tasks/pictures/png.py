"""PNG: whole where libpng inflates all rows from chunks whose checksums hold, the end chunk apart.

Only the chunks that make up the still picture are decoded. Those of an animation (acTL, fcTL, fdAT), texts,
profiles and notes are not handed to the decoder: junk in them harms neither the picture nor the process.
Source: PNG, third edition (W3C), 5, 11 and 13.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from tasks.pictures.colours import eight_bits, rgb
from tasks.pictures.orientation import orientation_of, raw_profile
from tasks.pictures.outcome import Picture, Profile, check_size, corrupt, unsupported
from tasks.pictures.profiles import LARGEST_PROFILE, profile_of_codes, read_profile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
GREY, RGB, PALETTE = 0, 2, 3
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
MOST_INFLATED = 1032  # times its size: deflate cannot do more
LONGEST_TEXT = 1_000_000  # bytes of EXIF or XMP that are looked through
PLAIN_BYTES = 150_000_000  # decoded


@dataclass(frozen=True)
class Header:
    """The content of IHDR."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filter: int
    interlace: int


@dataclass(frozen=True)
class Chunk:
    """A chunk lies at data[start:stop], its length, name and checksum included."""

    name: bytes
    start: int
    stop: int

    def content(self, data: bytes) -> bytes:
        return data[self.start + 8 : self.stop - 4]


def open_png(data: bytes) -> Picture:
    """Read header and orientation of a PNG. Raises ImageError."""
    chunks = list(read_chunks(data))
    if chunks and chunks[0].name == b"CgBI":
        raise unsupported("a PNG in Apple's own form for apps (CgBI)")
    if not chunks or chunks[0].name != b"IHDR" or len(chunks[0].content(data)) != 13:
        raise corrupt("a PNG with a broken header")
    header = Header(*struct.unpack(">IIBBBBB", chunks[0].content(data)))
    packed_bytes = sum(chunk.stop - chunk.start for chunk in chunks if chunk.name == b"IDAT")
    check_header(header, packed_bytes)
    decoded_bytes = header.width * header.height * CHANNELS[header.colour] * max(header.depth, 8) // 8

    def decode(_: int) -> np.ndarray:
        return decode_png(data, header, chunks)

    profile = profile_in(data, chunks)
    plain = decoded_bytes <= PLAIN_BYTES and (profile is None or profile.plain)
    return Picture("PNG", header.width, header.height, orientation_in(data, chunks), plain, decode, profile)


def read_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks up to the end chunk; one that the file cuts is left out unless it is image data.

    Whether those are enough for all rows the decoder tells.
    """
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        stop = at + 12 + length
        if name == b"IEND" or not name.isalpha():
            return
        if stop > len(data):
            if name == b"IDAT":
                yield Chunk(name, at, len(data))
            return
        yield Chunk(name, at, stop)
        at = stop


def check_header(header: Header, packed_bytes: int) -> None:
    """Raise ImageError for a header that no PNG has, and for more pixels than `packed_bytes` can hold."""
    check_size(header.width, header.height)
    if header.depth not in DEPTHS.get(header.colour, ()):
        raise corrupt(f"a PNG of colour type {header.colour} with {header.depth} bits, which is none")
    if header.compression or header.filter or header.interlace > 1:
        raise corrupt("a PNG with a broken header")
    if raw_bytes(header) > MOST_INFLATED * (packed_bytes + 1):
        size = f"{header.width}x{header.height} pixels"
        raise corrupt(f"truncated: {packed_bytes:,} bytes of image data cannot hold {size}")


def raw_bytes(header: Header) -> int:
    """Bytes of all rows before compression, each with the byte that names its filter."""
    bits = CHANNELS[header.colour] * header.depth
    passes = ADAM7 if header.interlace else ((0, 0, 1, 1),)
    sizes = (
        (-(-(header.width - left) // across), -(-(header.height - top) // down))
        for left, top, across, down in passes
    )
    return sum(max(height, 0) * (1 + -(-width * bits // 8)) for width, height in sizes if width > 0)


def decode_png(data: bytes, header: Header, chunks: list[Chunk]) -> np.ndarray:
    """Decode the still picture to uint8 RGB or RGBA. Raises ImageError."""
    key = transparent_key(data, header, chunks)
    still = still_of(data, chunks, with_transparency=key is None)
    flags = cv2.IMREAD_UNCHANGED if needs_samples(header, chunks) else cv2.IMREAD_COLOR_RGB
    samples = cv2.imdecode(np.frombuffer(still, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if samples is None:
        raise corrupt("its image data are truncated or damaged")
    if flags == cv2.IMREAD_COLOR_RGB:
        return samples
    pixels = rgb(eight_bits(samples))
    if key is None:
        return pixels
    planes = samples.reshape(*samples.shape[:2], -1)
    alpha = np.where((planes == key).all(axis=2), 0, 255).astype(np.uint8)
    return np.dstack([pixels, alpha])


def needs_samples(header: Header, chunks: list[Chunk]) -> bool:
    """Whether the samples are wanted as they are, since they are transparent or have 16 bits."""
    transparent = header.colour > PALETTE or any(chunk.name == b"tRNS" for chunk in chunks)
    return transparent or header.depth == 16


def transparent_key(data: bytes, header: Header, chunks: list[Chunk]) -> np.ndarray | None:
    """The one colour that tRNS calls transparent, in OpenCV's order of samples; None for other pictures."""
    chunk = next((chunk for chunk in chunks if chunk.name == b"tRNS"), None)
    if chunk is None or header.colour not in (GREY, RGB):
        return None
    content = chunk.content(data)
    if len(content) != 2 * CHANNELS[header.colour] or not has_checksum(data, chunk):
        raise corrupt("its transparent colour (tRNS) is damaged")
    key = np.frombuffer(content, ">u2").astype(np.int64) & ((1 << header.depth) - 1)
    return key[::-1] * 255 // ((1 << header.depth) - 1) if header.depth < 8 else key[::-1]


def has_checksum(data: bytes, chunk: Chunk) -> bool:
    stated = data[chunk.stop - 4 : chunk.stop]
    return zlib.crc32(data[chunk.start + 4 : chunk.stop - 4]).to_bytes(4, "big") == stated


def still_of(data: bytes, chunks: list[Chunk], with_transparency: bool) -> bytes:
    """A PNG of the still picture alone."""
    names = {b"IHDR", b"PLTE", b"IDAT"} | ({b"tRNS"} if with_transparency else set())
    pieces = [closed(data, chunk) for chunk in chunks if chunk.name in names]
    return b"".join([SIGNATURE, *pieces, END])


def closed(data: bytes, chunk: Chunk) -> bytes:
    """The bytes of a chunk; image data that the file cuts get the length and checksum of what is there."""
    raw = data[chunk.start : chunk.stop]
    if len(raw) == 12 + int.from_bytes(raw[:4], "big"):
        return raw
    return (len(raw) - 8).to_bytes(4, "big") + raw[4:] + zlib.crc32(raw[4:]).to_bytes(4, "big")


def exif_in(data: bytes) -> bytes:
    """The EXIF of a PNG; empty where it has none, or one that is damaged."""
    chunks = (chunk for chunk in read_chunks(data) if chunk.name == b"eXIf" and has_checksum(data, chunk))
    return next((chunk.content(data) for chunk in chunks), b"")


def orientation_in(data: bytes, chunks: list[Chunk]) -> int:
    exif = [chunk.content(data) for chunk in chunks if chunk.name == b"eXIf" and has_checksum(data, chunk)]
    texts = [text_of(chunk, data) for chunk in chunks if chunk.name in (b"tEXt", b"zTXt", b"iTXt")]
    profiles = (b"Raw profile type exif", b"Raw profile type APP1")
    exif += [raw_profile(text) for keyword, text in texts if keyword in profiles]
    return orientation_of(exif, [text for keyword, text in texts if keyword == b"XML:com.adobe.xmp"])


def profile_in(data: bytes, chunks: list[Chunk]) -> Profile | None:
    """By cICP, else iCCP; None for sRGB, and where they are damaged. Raises ImageError for HDR."""
    contents = {
        chunk.name: chunk.content(data)
        for chunk in reversed(chunks)
        if chunk.name in (b"cICP", b"iCCP") and has_checksum(data, chunk)
    }
    if len(contents.get(b"cICP", b"")) == 4:
        primaries, transfer, _, _ = contents[b"cICP"]
        return profile_of_codes(primaries, transfer)
    packed = contents.get(b"iCCP", b"").partition(b"\0")[2][1:]
    try:
        return read_profile(zlib.decompressobj().decompress(packed, LARGEST_PROFILE)) if packed else None
    except zlib.error:
        return None


def text_of(chunk: Chunk, data: bytes) -> tuple[bytes, bytes]:
    """Keyword and text of a text chunk, of which LONGEST_TEXT bytes are inflated at most."""
    keyword, _, rest = chunk.content(data).partition(b"\0")
    packed = chunk.name == b"zTXt"
    if chunk.name == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[:2] + b"".join(rest[2:].split(b"\0", 2)[2:])
    if chunk.name != b"tEXt":
        rest = rest[1 if chunk.name == b"zTXt" else 2 :]
    if not packed:
        return keyword, rest[:LONGEST_TEXT]
    try:
        return keyword, zlib.decompressobj().decompress(rest, LONGEST_TEXT)
    except zlib.error:
        return keyword, b""
