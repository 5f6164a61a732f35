"""Decodes with Pillow, for the formats that neither simplejpeg nor OpenCV take."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from tasks.pictures.outcome import corrupt

WITH_ALPHA = {"RGBA", "LA", "PA", "RGBa", "La"}
SIXTEEN_BITS = {"I;16", "I;16B", "I;16L", "I;16N"}


def load(data: bytes, format: str) -> np.ndarray:
    """The pixels of an image file: uint8 RGB or RGBA, or uint16 [height, width] of a 16-bit grey one.

    Raises ImageError where Pillow finds data missing or damaged.
    """
    try:
        with Image.open(io.BytesIO(data), formats=[format]) as image:
            image.load()
            if image.mode in SIXTEEN_BITS:
                return np.asarray(image).astype(np.uint16)
            transparent = image.mode in WITH_ALPHA or "transparency" in image.info
            return np.asarray(image.convert("RGBA" if transparent else "RGB"))
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise errors of many kinds for malformed files
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
