"""Colours as a profile means them, in sRGB. One that hardly differs from that, or is junk, changes nothing.

Profiles of a matrix and three curves, as cameras and screens have them (Display P3, Adobe RGB), and those of
grey are converted here; LittleCMS converts those with tables, as of printing inks, in a process of its own.
Sources: ICC.1:2022; ITU-T H.273 (numbers for primaries, as AVIF, HEIC and PNG have them); IEC 61966-2-1
(sRGB).
"""

import io
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from PIL import Image, ImageCms

from tasks.pictures.outcome import Profile, unsupported

LARGEST_PROFILE = 4_000_000  # bytes
HEADER_BYTES, MOST_TAGS, MOST_POINTS = 128, 200, 65_536
VISIBLE = 8  # of 255: profiles that change no colour by more are taken for sRGB
LEVELS = 1 << 14
CURVES, COLOURS, TABLES = (b"rTRC", b"gTRC", b"bTRC"), (b"rXYZ", b"gXYZ", b"bXYZ"), b"A2B0"
SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
SRGB = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060)  # x and y of red, green and blue
D65, D50 = (0.3127, 0.3290), (0.3457, 0.3585)
PRIMARIES = {9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046), 12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)}
HDR = {16: "PQ", 18: "HLG"}  # transfers whose brightness goes beyond a screen's white
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True, eq=False)
class Matrix:
    """curves: float [3, 256], from 8 bits to linear light. matrix: float [3, 3], from that to linear sRGB."""

    curves: np.ndarray
    matrix: np.ndarray
    is_grey: bool = False

    plain: ClassVar[bool] = True

    def convert(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels uint8 RGB [height, width, 3] as sRGB; coloured ones stay where the profile is of grey."""
        if self.is_grey and (pixels != pixels[..., :1]).any():
            return pixels
        linear = self.curves[np.arange(3), pixels] @ self.matrix.T
        return ENCODED[(linear.clip(0, 1) * (LEVELS - 1) + 0.5).astype(np.int32)]


@dataclass(frozen=True)
class Tables:
    """A profile that LittleCMS reads. mode: of the pixels it converts, as Pillow calls it."""

    icc: bytes
    mode: str

    plain: ClassVar[bool] = False

    def convert(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels uint8 [height, width, channels] as sRGB; as without one where LittleCMS cannot read it."""
        transform = transform_of(self)
        image = Image.frombytes(self.mode, pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())
        return np.asarray(ImageCms.applyTransform(image, transform) if transform else image.convert("RGB"))


def encode(linear: np.ndarray) -> np.ndarray:
    """Linear light, 0 to 1, as sRGB encodes it."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1 / 2.4) - 0.055)


def decode(encoded: np.ndarray) -> np.ndarray:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


ENCODED = (encode(np.linspace(0, 1, LEVELS)) * 255 + 0.5).astype(np.uint8)
STEPS = np.linspace(0, 1, 256)


def xyz_of(primaries: tuple[float, ...], white: tuple[float, float] = D65) -> np.ndarray:
    """The matrix from linear light of three primaries to XYZ."""
    columns = np.array([xyz_at(x, y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)]).T
    return columns * np.linalg.solve(columns, xyz_at(*white))


def xyz_at(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def to_d50() -> np.ndarray:
    """The matrix from XYZ under D65 to XYZ under D50, by which profiles count."""
    scales = (BRADFORD @ xyz_at(*D50)) / (BRADFORD @ xyz_at(*D65))
    return np.linalg.inv(BRADFORD) @ (scales[:, None] * BRADFORD)


FROM_D50 = np.linalg.inv(to_d50() @ xyz_of(SRGB))


def profile_of_codes(primaries: int, transfer: int) -> Profile | None:
    """The profile that H.273 numbers state; None for sRGB, and where they state nothing.

    Raises ImageError for HDR: how it should look on a screen of 8 bits stands nowhere.
    """
    if transfer in HDR:
        raise unsupported(f"a picture in HDR ({HDR[transfer]})")
    if primaries not in PRIMARIES:
        return None
    matrix = np.linalg.inv(xyz_of(SRGB)) @ xyz_of(PRIMARIES[primaries])
    return Matrix(np.stack([decode(STEPS)] * 3), matrix)


@lru_cache(16)
def read_profile(icc: bytes, cmyk: bool = False) -> Profile | None:
    """The profile of a picture in RGB or grey, or in CMYK; None where it changes nothing that one sees."""
    try:
        tags, mode = tags_of(icc), SPACES.get(icc[16:20], "")
        if (mode == "CMYK") != cmyk or not mode:
            return None
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            profile = Tables(icc, mode) if cmyk else profile_of_tags(icc, mode, tags)
            return profile if cmyk or changes_colours(profile) else None
    except (struct.error, ValueError, LookupError, ArithmeticError):
        return None


def tags_of(icc: bytes) -> dict[bytes, bytes]:
    """The content of each tag. Raises ValueError for what is no profile."""
    if icc[36:40] != b"acsp" or len(icc) > LARGEST_PROFILE:
        raise ValueError("no profile")
    [count] = struct.unpack_from(">I", icc, HEADER_BYTES)
    entries = (struct.unpack_from(">4sII", icc, 132 + 12 * each) for each in range(min(count, MOST_TAGS)))
    return {name: icc[start : start + length] for name, start, length in entries}


def profile_of_tags(icc: bytes, mode: str, tags: dict[bytes, bytes]) -> Matrix | Tables:
    if mode == "L":
        return Matrix(np.stack([curve_of(tags[b"kTRC"])] * 3), np.eye(3), is_grey=True)
    if TABLES in tags or icc[20:24] != b"XYZ ":
        return Tables(icc, mode)
    colours = np.array([struct.unpack_from(">3i", tags[name], 8) for name in COLOURS]).T / 65536
    return Matrix(np.stack([curve_of(tags[name]) for name in CURVES]), FROM_D50 @ colours)


def curve_of(tag: bytes) -> np.ndarray:
    """Linear light at each of 256 steps, float [256]. Raises ValueError for a kind of curve there is not."""
    if tag[:4] == b"curv":
        [count] = struct.unpack_from(">I", tag, 8)
        if count > MOST_POINTS:
            raise ValueError("a curve of too many points")
        numbers = np.array(struct.unpack_from(f">{count}H", tag, 12))
        if count < 2:
            return STEPS ** (numbers[0] / 256 if count else 1.0)
        return np.interp(STEPS, np.linspace(0, 1, count), numbers / 65535)
    if tag[:4] == b"para":
        [kind] = struct.unpack_from(">H", tag, 8)
        return formula(
            kind, [each / 65536 for each in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)]
        )
    raise ValueError("no curve")


def formula(kind: int, numbers: list[float]) -> np.ndarray:
    """The parametric curves 0 to 4 of ICC.1, table 68."""
    gamma, a, b, c, d, e, f = (
        [*numbers, *[0.0] * 7][:7] if kind else (numbers[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    )
    if kind in (1, 2):
        d, e, f, c = -b / a, c, c, 0.0
    return np.where(d <= STEPS, np.maximum(a * STEPS + b, 0) ** gamma + e, c * STEPS + f).clip(0, 1)


def changes_colours(profile: Matrix | Tables) -> bool:
    """Whether a profile changes a colour visibly. One with tables, which nothing reads here, may do so."""
    if isinstance(profile, Tables):
        return True
    grid = np.linspace(0, 255, 9).astype(np.uint8)
    greys = np.stack([grid] * 3, axis=1)[None]
    colours = greys if profile.is_grey else np.stack(np.meshgrid(grid, grid, grid), axis=-1).reshape(1, -1, 3)
    return bool(np.abs(profile.convert(colours).astype(int) - colours).max() > VISIBLE)


@lru_cache(8)
def transform_of(tables: Tables) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(tables.icc))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), tables.mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
