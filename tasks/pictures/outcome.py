"""What decoding ends in: a picture, or an error that says in words why there is none; and its limits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

MAX_PIXELS = 2 * 89_478_485  # Pillow's own limit, against decompression bombs
MAX_BYTES = 200_000_000
CORRUPT, TOO_LARGE, UNSUPPORTED = "corrupt", "too_large", "unsupported"
UNREADABLE = "unreadable"  # the storage failed, not the image: the only status that another try may change


class ImageError(ValueError):
    """An image that cannot be used.

    status: corrupt, too_large, unsupported or unreadable. reason: a few words for the user.
    """

    def __init__(self, status: str, reason: str):
        super().__init__(status, reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class DecodedImage:
    """A picture as models see it, uint8 [size_px, size_px, 3], and the size at which a viewer shows the file.

    Both are turned upright by the file's orientation.
    """

    pixels: np.ndarray
    width: int
    height: int


class Profile(Protocol):
    """What the colours of a picture mean. plain: it is read and converted without a library."""

    @property
    def plain(self) -> bool: ...

    def convert(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels uint8 [height, width, channels] as sRGB."""
        ...


@dataclass(frozen=True)
class Picture:
    """An image file whose structure was read, and whose pixels were not yet.

    width, height: as stored, before `orientation` (EXIF's, 1 to 8) turns them. plain: so common and so well
    checked that it is decoded in this process. decode: from the wanted size in pixels to the whole picture,
    uint8 RGB or RGBA [height, width, channels]; a JPEG may come out smaller than it is, but not smaller
    than wanted. It raises ImageError where the file is not whole. profile: of its colours; None for sRGB.
    """

    format: str
    width: int
    height: int
    orientation: int
    plain: bool
    decode: Callable[[int], np.ndarray]
    profile: Profile | None = None


def corrupt(reason: str) -> ImageError:
    return ImageError(CORRUPT, reason)


def unsupported(what: str) -> ImageError:
    return ImageError(UNSUPPORTED, f"{what} is not supported")


def too_many_bytes(size: int) -> ImageError:
    return ImageError(TOO_LARGE, f"{size:,} bytes, the limit is {MAX_BYTES:,}")


def check_size(width: int, height: int) -> None:
    """Raise ImageError for a picture without pixels, and for one with more than MAX_PIXELS."""
    if width < 1 or height < 1:
        raise corrupt(f"its header states {width}x{height} pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(TOO_LARGE, f"{width}x{height} pixels, the limit is {MAX_PIXELS:,}")
