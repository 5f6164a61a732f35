"""Decodes image files to RGB uint8 and refuses broken ones; training and classification both use it."""

import cv2
import numpy as np

from tasks.pictures import kinds
from tasks.pictures.apart import Helpers
from tasks.pictures.bmp import open_bmp
from tasks.pictures.colours import over_white
from tasks.pictures.fit import Fit, on_square, scale
from tasks.pictures.gif import open_gif
from tasks.pictures.heif import open_heif
from tasks.pictures.jpeg import open_jpeg
from tasks.pictures.orientation import turn
from tasks.pictures.outcome import MAX_BYTES, DecodedImage, ImageError, Picture, corrupt, too_many_bytes
from tasks.pictures.png import open_png
from tasks.pictures.tiff import open_tiff
from tasks.pictures.webp import open_webp

# Raise when `decode_image` gives other pixels or takes other files: decoded parts are then not reused.
# 2: half pictures are refused, transparent ones have no fringes, orientation is applied once, wherever it is.
# 3: AVIF and HEIC are taken, colour profiles are applied.
DECODER_VERSION = 3

OPENERS = {
    kinds.JPEG: open_jpeg,
    kinds.PNG: open_png,
    kinds.WEBP: open_webp,
    kinds.GIF: open_gif,
    kinds.BMP: open_bmp,
    kinds.TIFF: open_tiff,
    kinds.AVIF: open_heif,
    kinds.HEIC: open_heif,
}

# One thread per image: images are decoded in parallel, on the cores that Ray grants a task.
cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

helpers = Helpers()


def decode_image(data: bytes, size_px: int, apart: bool = False, fit: Fit = "squeeze") -> DecodedImage:
    """Decode one image file to RGB uint8 [size_px, size_px, 3]; fit: how it becomes a square (see `fit`).

    Orientation is applied, be it EXIF's or XMP's. Grey, palette, CMYK and 16-bit images become 8-bit RGB,
    by their colour profile where that differs visibly from sRGB, and transparent ones are laid over white.
    Plain JPEG and PNG files are decoded here, all others (with
    `apart` those too) in a process of their own, whose crash, hang or hunger costs only this file.

    Raises ImageError: too_large (before anything is decoded), unsupported (not an image, or of another
    format), or corrupt. A truncated file is corrupt too, never a picture with a grey lower half.
    """
    try:
        picture = open_picture(data)
        if apart or not picture.plain:
            return helpers.decode(data, size_px, fit)
        return finish(picture, size_px, fit)
    except ImageError:
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError, cv2.error) as error:
        raise corrupt(f"does not decode: {error}") from error


def open_picture(data: bytes) -> Picture:
    """Read the structure of an image file without decoding. Raises ImageError as `decode_image` does."""
    if len(data) > MAX_BYTES:
        raise too_many_bytes(len(data))
    return OPENERS[kinds.format_of(data)](data)


def finish(picture: Picture, size_px: int, fit: Fit) -> DecodedImage:
    """Decode the pixels of an opened file in this process. Raises ImageError."""
    pixels = scale(over_white(picture.decode(size_px)), size_px, fit)
    if picture.profile:
        pixels = picture.profile.convert(pixels)
    upright = np.ascontiguousarray(turn(on_square(pixels, size_px), picture.orientation))
    width, height = picture.width, picture.height
    if picture.orientation >= 5:
        width, height = height, width
    return DecodedImage(upright, width, height)
