"""GIF: whole where the first picture's LZW data decode to exactly its pixels; what follows is not looked at.

Source: GIF89a (CompuServe 1990).
"""

import struct
from dataclasses import dataclass

import numpy as np

from tasks.pictures.lzw import gif_length
from tasks.pictures.outcome import Picture, check_size, corrupt
from tasks.pictures.pillow import load

EXTENSION, PICTURE, CONTROL, TRAILER = 0x21, 0x2C, 0xF9, b";"
HAS_COLOURS = 0x80


@dataclass(frozen=True)
class FirstPicture:
    """The first picture of a GIF, where it lies on the screen, and its parts as they are in the file."""

    left: int
    top: int
    width: int
    height: int
    screen: tuple[int, int]
    control: bytes
    colours: bytes
    code_bits: int
    blocks: bytes
    flags: int

    @property
    def data(self) -> bytes:
        """The LZW data without the lengths of the blocks they come in."""
        return b"".join(self.blocks[start:stop] for start, stop in block_bounds(self.blocks, 0))


def open_gif(data: bytes) -> Picture:
    """Read the structure of a GIF up to its first picture. Raises ImageError."""
    try:
        first = first_picture(data)
    except (IndexError, struct.error):
        raise corrupt("a GIF that ends before its first picture is complete") from None
    width = max(first.screen[0], first.left + first.width)
    height = max(first.screen[1], first.top + first.height)
    check_size(first.width, first.height)
    check_size(width, height)
    if not first.colours:
        raise corrupt("a GIF without a table of colours")

    def decode(_: int) -> np.ndarray:
        check_whole(first)
        return on_screen(load(alone(first), "GIF"), first, width, height)

    return Picture("GIF", width, height, 1, False, decode)


def first_picture(data: bytes) -> FirstPicture:
    screen_width, screen_height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + colours_bytes(flags)
    colours, control = data[13:at], b""
    while data[at] == EXTENSION:
        stop = end_of_blocks(data, at + 2)
        control = data[at:stop] if data[at + 1] == CONTROL else control
        at = stop
    if data[at] != PICTURE:
        raise corrupt("a GIF without a picture")
    left, top, width, height, own_flags = struct.unpack_from("<HHHHB", data, at + 1)
    at += 10 + colours_bytes(own_flags)
    colours = data[at - colours_bytes(own_flags) : at] or colours
    blocks = data[at + 1 : end_of_blocks(data, at + 1, may_be_cut=True)]
    screen = (screen_width, screen_height)
    return FirstPicture(
        left, top, width, height, screen, control, colours, data[at], blocks, own_flags & 0x40
    )


def colours_bytes(flags: int) -> int:
    return 3 * (2 << (flags & 7)) if flags & HAS_COLOURS else 0


def block_bounds(data: bytes, at: int) -> list[tuple[int, int]]:
    """Where each block of a chain lies in `data`; the chain ends at an empty block or with the data."""
    bounds = []
    while at < len(data) and data[at]:
        bounds.append((at + 1, at + 1 + data[at]))
        at += 1 + data[at]
    return bounds


def end_of_blocks(data: bytes, at: int, may_be_cut: bool = False) -> int:
    """Where a chain of blocks ends, behind its empty block. Raises IndexError where the file cuts it."""
    bounds = block_bounds(data, at)
    end = (bounds[-1][1] if bounds else at) + 1
    if end > len(data) and not may_be_cut:
        raise IndexError
    return end


def check_whole(first: FirstPicture) -> None:
    if not 1 <= first.code_bits <= 11:
        raise corrupt("its image data are damaged")
    pixels = first.width * first.height
    length = gif_length(first.data, first.code_bits)
    if 0 <= length < pixels:
        raise corrupt(f"truncated: {length:,} of {pixels:,} pixels")
    if length != pixels:
        raise corrupt("its image data are damaged")


def alone(first: FirstPicture) -> bytes:
    """A GIF of the first picture alone, on a screen of its own size."""
    size_bits = (len(first.colours) // 3).bit_length() - 2
    screen = struct.pack("<HHBBB", first.width, first.height, HAS_COLOURS | size_bits, 0, 0)
    picture = struct.pack("<BHHHHB", PICTURE, 0, 0, first.width, first.height, first.flags)
    blocks = first.blocks.rstrip(b"\0") + b"\0" if not first.data else first.blocks
    return b"".join(
        [
            b"GIF89a",
            screen,
            first.colours,
            first.control,
            picture,
            bytes([first.code_bits]),
            blocks,
            b"\0",
            TRAILER,
        ]
    )


def on_screen(pixels: np.ndarray, first: FirstPicture, width: int, height: int) -> np.ndarray:
    """The picture where it lies on the screen, which is transparent around it."""
    if (first.width, first.height) == (width, height):
        return pixels
    screen = np.zeros((height, width, 4), np.uint8)
    area = screen[first.top : first.top + first.height, first.left : first.left + first.width]
    area[:, :, : pixels.shape[2]] = pixels
    if pixels.shape[2] == 3:
        area[:, :, 3] = 255
    return screen
