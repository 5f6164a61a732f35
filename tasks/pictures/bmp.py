"""BMP: whole where Pillow finds all rows. It has neither checksums nor, mostly, compression.

Source: Microsoft, "Bitmap Storage".
"""

import struct

import numpy as np

from tasks.pictures.outcome import Picture, check_size, corrupt, unsupported
from tasks.pictures.pillow import load

OS2_HEADER = 12
SMALLEST_HEADER = 40
RUN_LENGTHS = (1, 2)  # compressions that do not fix the size of the data
MOST_RUN = 65_536  # pixels that a byte can repeat or skip, generously
EMBEDDED = {4: "a BMP with a JPEG inside", 5: "a BMP with a PNG inside"}


def open_bmp(data: bytes) -> Picture:
    """Read the header of a BMP. Raises ImageError."""
    try:
        width, height, bits, compression = read_header(data)
    except struct.error:
        raise corrupt("a BMP that ends in its header") from None
    check_size(width, height)
    if compression in EMBEDDED:
        raise unsupported(EMBEDDED[compression])
    [pixels_at] = struct.unpack_from("<I", data, 10)
    row_bytes = -(-width * bits // 32) * 4
    if compression not in RUN_LENGTHS and pixels_at + row_bytes * height > len(data) + 3:
        raise corrupt(f"truncated: {len(data):,} bytes cannot hold {width}x{height} pixels of {bits} bits")
    if compression in RUN_LENGTHS and width * height > MOST_RUN * (len(data) + 1):
        raise corrupt(f"truncated: {len(data):,} bytes cannot hold {width}x{height} pixels")

    def decode(_: int) -> np.ndarray:
        return load(data, "BMP")

    return Picture("BMP", width, height, 1, False, decode)


def read_header(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits a pixel and compression."""
    [header_bytes] = struct.unpack_from("<I", data, 14)
    if header_bytes == OS2_HEADER:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        return width, height, bits, 0
    if header_bytes < SMALLEST_HEADER or header_bytes > 256:
        raise corrupt("a BMP with a broken header")
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    return width, abs(height), bits, compression
