"""Pixels are those that another decoder gives: Pillow, OpenCV or, of HEIC, FFmpeg."""

import io
import tempfile
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from tasks.pictures import decode_image
from tests.fuzz.corpus import deep_avif, deep_heic, encode, heic, photo

SIDE = 64
SQUARE = photo((SIDE, SIDE))


def pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def opencv(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def ffmpeg(data: bytes) -> np.ndarray:
    with tempfile.NamedTemporaryFile(suffix=".heic") as file:
        file.write(data)
        file.flush()
        return cv2.VideoCapture(file.name, cv2.CAP_FFMPEG).read()[1][:, :, ::-1]


def unrounded(data: bytes) -> np.ndarray:
    """An AVIF of 10 bits as OpenCV reads all of them."""
    return np.rint(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[:, :, ::-1] / 1023 * 255)


REFERENCES: dict[str, tuple[bytes, Callable[[bytes], np.ndarray], int]] = {
    "JPEG": (encode(SQUARE, "JPEG"), pillow, 0),
    "progressive JPEG": (encode(SQUARE, "JPEG", progressive=True), pillow, 0),
    "CMYK JPEG": (encode(SQUARE.convert("CMYK"), "JPEG"), pillow, 1),
    "PNG": (encode(SQUARE, "PNG"), pillow, 0),
    "palette PNG": (encode(SQUARE.convert("P"), "PNG"), pillow, 0),
    "WebP": (encode(SQUARE, "WEBP"), opencv, 0),
    "GIF": (encode(SQUARE, "GIF"), opencv, 0),
    "BMP": (encode(SQUARE, "BMP"), opencv, 0),
    "TIFF": (encode(SQUARE, "TIFF", compression="tiff_lzw"), opencv, 0),
    "JPEG in TIFF": (encode(SQUARE, "TIFF", compression="jpeg"), opencv, 0),
    "AVIF": (encode(SQUARE, "AVIF"), opencv, 1),
    "AVIF 4:4:4": (encode(SQUARE, "AVIF", subsampling="4:4:4"), opencv, 1),
    "AVIF of 10 bits": (deep_avif(SQUARE, 10), opencv, 1),
    "AVIF of 10 bits, all of them": (deep_avif(SQUARE, 10), unrounded, 3),
    "AVIF of 12 bits": (deep_avif(SQUARE, 12), opencv, 1),
    "HEIC": (heic(SQUARE), ffmpeg, 2),
    "HEIC 4:4:4": (heic(SQUARE, chroma=444), ffmpeg, 2),
    # In colour FFmpeg interpolates 4:2:0 of more than 8 bits, and repeats that of 8, as libheif does both.
    "HEIC of 10 bits, grey": (deep_heic(SQUARE.convert("L").convert("RGB"), 10, 420), ffmpeg, 2),
    "HEIC of 10 bits, 4:2:2": (deep_heic(SQUARE, 10, 422), ffmpeg, 2),
    "HEIC of 10 bits, 4:4:4": (deep_heic(SQUARE, 10, 444), ffmpeg, 2),
    "HEIC of 12 bits, 4:2:2": (deep_heic(SQUARE, 12, 422), ffmpeg, 2),
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_each_format_agrees_with_a_reference_decoder(kind: str):
    data, reference, tolerance = REFERENCES[kind]  # in steps of 255
    difference = np.abs(decode_image(data, SIDE).pixels.astype(int) - reference(data))
    assert difference.max() <= tolerance
