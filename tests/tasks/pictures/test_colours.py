"""Colours are right, or the file is refused with a reason that is true."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from tasks.pictures import ImageError, decode_image
from tests.fuzz.corpus import animated_png, encode, grey_of_16_bits, photo, png, png_chunks

BGR = np.asarray(photo())[:, :, ::-1]
HALF = np.dstack([BGR, np.full(BGR.shape[:2], 128, np.uint8)])


def over_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")


def look_alike(data: bytes, expected: Image.Image) -> bool:
    small = np.asarray(expected.convert("RGB").resize((60, 60), Image.Resampling.BOX)).astype(int)
    return np.abs(decode_image(data, 60).pixels - small).mean() < 6


def cv_encode(kind: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(kind, pixels)[1].tobytes()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_the_hidden_colour_of_transparent_pixels_is_not_seen(kind: str):
    rows = np.zeros((600, 600, 4), np.uint8)
    rows[::2], rows[1::2] = (255, 0, 0, 255), (0, 255, 0, 0)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    pixels = decode_image(encode(Image.fromarray(rows), kind, **options), 60).pixels.astype(int)
    assert np.abs(pixels - (255, 127, 127)).max() <= 2


HALF_SEEN = photo()
HALF_SEEN.putalpha(128)
PALETTE = photo().convert("P")
PALETTE.info["transparency"] = bytes(range(256))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encode(HALF_SEEN, "TIFF"), over_white(HALF_SEEN)),
        (cv_encode(".tiff", HALF), over_white(HALF_SEEN)),
        (cv_encode(".tiff", HALF.astype(np.uint16) * 257), over_white(HALF_SEEN)),
        (cv_encode(".png", HALF.astype(np.uint16) * 257), over_white(HALF_SEEN)),
        (encode(HALF_SEEN, "WEBP"), over_white(HALF_SEEN)),
        (encode(PALETTE, "PNG"), over_white(PALETTE)),
    ],
)
def test_transparency_is_laid_over_white_once(data: bytes, expected: Image.Image):
    assert look_alike(data, expected)


@pytest.mark.parametrize(
    "data",
    [
        cv_encode(".png", BGR.astype(np.uint16) * 257),
        cv_encode(".tiff", BGR.astype(np.uint16) * 257),
        cv_encode(".tiff", BGR),
        encode(photo(), "TIFF", compression="zstd"),
        animated_png(),
    ],
)
def test_16_bits_and_stills_look_as_they_are_meant(data: bytes):
    assert look_alike(data, photo())


def test_one_transparent_colour_of_a_16_bit_grey_png_is_white_and_the_others_are_not():
    grey = np.asarray(grey_of_16_bits()).copy()
    grey[:20] = 5000
    header, *rest = png_chunks(encode(Image.fromarray(grey), "PNG"))
    data = png(header, (b"tRNS", struct.pack(">H", 5000)), *rest)
    expected = (grey >> 8).astype(np.uint8)
    expected[:20] = 255
    assert look_alike(data, Image.fromarray(expected))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_12_bits_in_16_are_refused_since_their_range_is_unknown(kind: str):
    grey = Image.fromarray(np.asarray(photo().convert("L")).astype(np.uint16) * 16 + 3)
    with pytest.raises(ImageError, match="range of its brightness"):
        decode_image(encode(grey, kind), 60)


def test_a_dark_picture_of_16_bits_that_was_made_from_8_is_decoded():
    dark = Image.fromarray(np.full((60, 60), 20 * 257, np.uint16))
    assert set(decode_image(encode(dark, "PNG"), 60).pixels.ravel()) == {20}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode(Image.frombytes("LAB", photo().size, photo().tobytes()), "TIFF"), "CIELAB"),
        (cv_encode(".tiff", BGR.astype(np.float32) / 255), "floating-point"),
        (encode(photo().convert("F"), "TIFF"), "floating-point"),
        (cv_encode(".tiff", BGR[:, :, 0].astype(np.int16)), "signed integers"),
    ],
)
def test_samples_without_a_range_are_refused_by_name(data: bytes, reason: str):
    with pytest.raises(ImageError, match=reason) as error:
        decode_image(data, 60)
    assert error.value.status == "unsupported"
