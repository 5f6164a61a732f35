"""How a picture is to be turned: as EXIF says, wherever a format keeps it, else XMP; so does Pillow.

Sources: CIPA DC-008 (EXIF) 4.6.5; PNG 3rd edition 11.3.4.3 (eXIf); ImageMagick's "Raw profile type exif".
"""

import re
from collections.abc import Iterable

import numpy as np

from tasks.pictures.ifd import read_directory

ORIENTATION_TAG = 0x0112
UPRIGHT = 1
EXIF_START = b"Exif\0\0"
XMP_ORIENTATION = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([0-9])")


def orientation_of(exif: Iterable[bytes], xmp: Iterable[bytes] = ()) -> int:
    """The orientation, 1 to 8, that the EXIF of a file states; XMP counts where EXIF states none.

    A file's EXIF and XMP may be junk: the picture is sound for all that, and upright.
    """
    stated = [*map(exif_orientation, exif), *map(xmp_orientation, xmp)]
    orientation = next((number for number in stated if number is not None), UPRIGHT)
    return orientation if orientation in range(1, 9) else UPRIGHT


def exif_orientation(exif: bytes) -> int | None:
    try:
        entry = read_directory(exif.removeprefix(EXIF_START)).get(ORIENTATION_TAG)
    except ValueError:
        return None
    return entry.numbers[0] if entry and entry.numbers else None


def xmp_orientation(xmp: bytes) -> int | None:
    match = XMP_ORIENTATION.search(xmp)
    return int(match[1]) if match else None


def raw_profile(text: bytes) -> bytes:
    """The EXIF in a text `Raw profile type exif`: a name, a length and then hexadecimal digits, in lines."""
    try:
        return bytes.fromhex("".join(text.decode("latin-1").strip("\n").split("\n")[2:]))
    except ValueError:
        return b""


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation to a picture [height, width, channels]."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
