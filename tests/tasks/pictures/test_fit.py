"""A picture becomes a square as was asked for, wherever it is decoded."""

from typing import get_args

import numpy as np
import pytest
from PIL import Image

from tasks import parameters
from tasks.pictures import decode_image
from tasks.pictures.fit import FITS, GREY
from tests.fuzz.corpus import encode, exif

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
GREYS = (GREY,) * 3


def banner(width: int = 240, height: int = 80) -> Image.Image:
    """A third of red, one of green and one of blue, side by side."""
    thirds = np.repeat(np.array([[RED, GREEN, BLUE]], np.uint8), width // 3, axis=1)
    return Image.fromarray(np.repeat(thirds, height, axis=0))


def colours_at(pixels: np.ndarray, *places: tuple[int, int]) -> list[tuple[int, ...]]:
    return [tuple(int(number) for number in pixels[y, x]) for x, y in places]


@pytest.mark.parametrize("apart", [False, True])
def test_a_picture_is_squeezed_padded_or_cropped(apart: bool):
    data = encode(banner(), "PNG")
    left, middle, right, top = (5, 30), (30, 30), (55, 30), (30, 5)
    places = (left, middle, right, top)
    squeezed, padded, cropped = (decode_image(data, 60, apart, fit) for fit in FITS)
    assert colours_at(squeezed.pixels, *places) == [RED, GREEN, BLUE, GREEN]
    assert colours_at(padded.pixels, *places) == [RED, GREEN, BLUE, GREYS]
    assert colours_at(cropped.pixels, *places) == [GREEN] * 4
    assert {(image.width, image.height) for image in (squeezed, padded, cropped)} == {(240, 80)}
    assert np.array_equal(decode_image(data, 60).pixels, squeezed.pixels)


def test_padding_keeps_proportions_and_the_middle():
    pixels = decode_image(encode(Image.new("RGB", (40, 300), "white"), "PNG"), 150, fit="pad").pixels
    columns = np.flatnonzero((pixels == 255).all(axis=(0, 2)))
    assert (columns[0], columns[-1]) == (65, 84)
    assert set(pixels[:, [0, 64, 85, 149]].ravel()) == {GREY}


@pytest.mark.parametrize("fit", FITS)
def test_a_turned_picture_is_fitted_as_it_is_seen(fit: str):
    upright = decode_image(encode(banner().rotate(-90, expand=True), "PNG"), 60, fit=fit)
    turned = decode_image(encode(banner(), "PNG", exif=exif(6)), 60, fit=fit)
    assert np.array_equal(turned.pixels, upright.pixels)


@pytest.mark.parametrize("fit", FITS)
def test_a_square_picture_is_the_same_however_it_is_fitted(fit: str):
    data = encode(banner(90, 90), "JPEG")
    assert np.array_equal(decode_image(data, 60, fit=fit).pixels, decode_image(data, 60).pixels)


@pytest.mark.parametrize("size", [(2000, 1), (1, 2000), (3, 2)])
@pytest.mark.parametrize("fit", FITS)
def test_any_shape_fits(fit: str, size: tuple[int, int]):
    assert decode_image(encode(Image.new("RGB", size), "PNG"), 60, fit=fit).pixels.shape == (60, 60, 3)


def test_the_form_offers_what_is_decoded():
    assert get_args(parameters.Fit) == FITS
