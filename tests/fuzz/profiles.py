"""Colour profiles made here by the letter of ICC.1; of nobody's files."""

import struct
from collections.abc import Sequence

import numpy as np

WHITE = (0.9642, 1.0, 0.8249)  # D50, by which profiles count
# Red, green and blue in XYZ under D50, as ICC registers and cameras write them.
P3_COLOURS = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
ADOBE_COLOURS = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
SRGB_COLOURS = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))


def fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def gamma(power: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(power * 256)) + bytes(2)


SRGB_CURVE = (
    b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
)


def profile(space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    tags = tags | {b"wtpt": b"XYZ " + bytes(4) + fixed(*WHITE)}
    at, table, contents = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(contents), len(content))
        contents += content + bytes(-len(content) % 4)
    header = bytes(4) + b"\x02\x40\0\0" + kind + space + connection + bytes(12) + b"acsp"
    header = (bytes(4) + header).ljust(68, b"\0") + fixed(*WHITE)
    rest = header.ljust(128, b"\0")[4:] + struct.pack(">I", len(tags)) + table + contents
    return struct.pack(">I", len(rest) + 4) + rest


def of_screen(colours: Sequence[Sequence[float]], curve: bytes) -> bytes:
    tags = {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    for name, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours, strict=True):
        tags[name] = b"XYZ " + bytes(4) + fixed(*colour)
    return profile(b"RGB ", b"XYZ ", tags)


def of_grey(curve: bytes) -> bytes:
    return profile(b"GRAY", b"XYZ ", {b"kTRC": curve})


def inks(paper: float = 95.0) -> bytes:
    """Of a press whose cyan is greyish, whose black is dark grey; lightness falls with each ink."""
    corners = []
    for corner in range(16):  # the last ink changes fastest
        cyan, magenta, yellow, black = (corner >> shift & 1 for shift in (3, 2, 1, 0))
        lightness = (paper - 30 * cyan - 35 * magenta - 5 * yellow) * (0.2 if black else 1.0)
        colour = 0.0 if black else 1.0
        corners.append((lightness, colour * (-25 * cyan + 60 * magenta), colour * (70 * yellow - 30 * cyan)))
    lab = np.array(corners)
    numbers = np.stack([lab[:, 0] / 100 * 0xFF00, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], axis=1)
    line = struct.pack(">HH", 0, 0xFFFF)
    table = (
        b"mft2" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">HH", 2, 2)
    )
    table += line * 4 + numbers.round().astype(">u2").tobytes() + line * 3
    return profile(b"CMYK", b"Lab ", {b"A2B0": table}, b"prtr")


DISPLAY_P3 = of_screen(P3_COLOURS, SRGB_CURVE)
ADOBE_RGB = of_screen(ADOBE_COLOURS, gamma(2.19921875))
SRGB = of_screen(SRGB_COLOURS, SRGB_CURVE)
