"""Decodes with Pillow and pillow-heif, for the formats that neither simplejpeg nor OpenCV take."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import AvifImagePlugin, Image

from tasks.pictures.outcome import UNSUPPORTED, ImageError, Profile, corrupt

WITH_ALPHA = {"RGBA", "LA", "PA", "RGBa", "La"}
SIXTEEN_BITS = {"I;16", "I;16B", "I;16L", "I;16N"}
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # images are decoded in parallel


def load(data: bytes, format: str, inks: Profile | None = None) -> np.ndarray:
    """The pixels of an image file: uint8 RGB or RGBA, or uint16 [height, width] of a 16-bit grey one.

    inks: the profile of a file in CMYK, by which it becomes RGB.

    Raises ImageError where Pillow finds data missing or damaged.
    """
    try:
        with Image.open(io.BytesIO(data), formats=[format]) as image:
            image.load()
            if image.mode in SIXTEEN_BITS:
                return np.asarray(image).astype(np.uint16)
            if inks and image.mode == "CMYK":
                return inks.convert(np.asarray(image))
            transparent = image.mode in WITH_ALPHA or "transparency" in image.info
            return np.asarray(image.convert("RGBA" if transparent else "RGB"))
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise errors of many kinds for malformed files
        raise corrupt(f"does not decode: {error}") from error


def load_heic(data: bytes) -> np.ndarray:
    """The primary picture of a HEIC file, upright: uint8 RGB or RGBA. Raises ImageError as `load` does."""
    try:
        import pillow_heif
    except ImportError:
        raise ImageError(UNSUPPORTED, "a HEIC image: install pillow-heif (the extra `heic`)") from None
    options = pillow_heif.options
    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    try:
        image = pillow_heif.open_heif(io.BytesIO(data)).to_pillow()
        if image.mode in SIXTEEN_BITS:
            return np.dstack([(np.asarray(image) >> 8).astype(np.uint8)] * 3)
        return np.asarray(image.convert("RGBA" if image.mode in WITH_ALPHA else "RGB"))
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise corrupt(f"does not decode: {error}") from error


@contextmanager
def printed() -> Iterator[list[bytes]]:
    """Collect the lines that libraries print as errors meanwhile, for want of another way to hear of them."""
    lines: list[bytes] = []
    with tempfile.TemporaryFile() as file:
        errors = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(errors, 2)
            os.close(errors)
            file.seek(0)
            lines += file.read(10_000).splitlines()
