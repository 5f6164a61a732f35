"""Colours are those that a file's profile means, by LittleCMS, and without one those of the file."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from tasks.pictures import ImageError, decode_image, open_picture
from tests.fuzz import profiles
from tests.fuzz.corpus import encode, heic, photo, png, png_chunks

SIDE = 64
SQUARE = photo((SIDE, SIDE))
SCREENS = {"Display P3": profiles.DISPLAY_P3, "Adobe RGB": profiles.ADOBE_RGB}
ENCODERS = {
    "JPEG": lambda image, icc: encode(image, "JPEG", quality=95, icc_profile=icc),
    "PNG": lambda image, icc: encode(image, "PNG", icc_profile=icc),
    "WEBP": lambda image, icc: encode(image, "WEBP", lossless=True, icc_profile=icc),
    "TIFF": lambda image, icc: encode(image, "TIFF", icc_profile=icc),
    "AVIF": lambda image, icc: encode(image, "AVIF", icc_profile=icc),
    "HEIC": lambda image, icc: heic(image, icc_profile=icc),
}


def by_little_cms(pixels: np.ndarray, icc: bytes, mode: str = "RGB") -> np.ndarray:
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    image = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    return np.asarray(ImageCms.applyTransform(image, transform)).astype(int)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("kind", ENCODERS)
def test_a_profile_that_differs_visibly_is_converted_to_srgb(kind: str, screen: str):
    plain = decode_image(ENCODERS[kind](SQUARE, None), SIDE).pixels
    pixels = decode_image(ENCODERS[kind](SQUARE, SCREENS[screen]), SIDE).pixels.astype(int)
    assert np.abs(pixels - by_little_cms(plain, SCREENS[screen])).max() <= 1
    assert np.abs(pixels - plain).mean() > 5


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize(
    "icc",
    [
        profiles.SRGB,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        profiles.of_screen(profiles.SRGB_COLOURS, profiles.gamma(2.2)),
        profiles.inks(),
        bytes(500),
        profiles.ADOBE_RGB[:200],
        profiles.ADOBE_RGB.replace(b"curv", b"junk"),
    ],
)
def test_a_profile_like_srgb_or_junk_changes_no_bit(kind: str, icc: bytes):
    plain = decode_image(ENCODERS[kind](SQUARE, None), SIDE).pixels
    assert np.array_equal(decode_image(ENCODERS[kind](SQUARE, icc), SIDE).pixels, plain)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted_through_its_profile(kind: str):
    inks = np.zeros((SIDE, SIDE, 4), np.uint8)
    for stripe, ink in enumerate((0, 1, 2, 3)):
        inks[:, 16 * stripe : 16 * stripe + 12, ink] = 255
    image = Image.frombytes("CMYK", (SIDE, SIDE), inks.tobytes())
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"compression": "tiff_lzw"}
    pixels = decode_image(encode(image, kind, icc_profile=profiles.inks(), **options), SIDE).pixels
    expected = by_little_cms(inks, profiles.inks(), "CMYK")
    assert np.abs(pixels - expected).max() <= (16 if kind == "JPEG" else 0)
    cyan, black = pixels[30, 6], pixels[30, 54]  # (0, 255, 255) and 0 without the profile
    assert np.abs(cyan - (39, 171, 210)).max() <= 3 and np.abs(black.astype(int) - 41).max() <= 3
    junk = decode_image(encode(image, kind, icc_profile=profiles.inks()[:300], **options), SIDE).pixels
    assert np.abs(junk.astype(int) - decode_image(encode(image, kind, **options), SIDE).pixels).max() <= 1


def test_grey_is_converted_through_its_profile():
    grey = SQUARE.convert("L")
    pixels = decode_image(encode(grey, "PNG", icc_profile=profiles.of_grey(profiles.gamma(1.8))), SIDE).pixels
    expected = (np.asarray(grey) / 255.0) ** 1.8
    expected = np.where(expected <= 0.0031308, 12.92 * expected, 1.055 * expected ** (1 / 2.4) - 0.055)
    assert np.abs(pixels - 255 * expected[:, :, None]).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "HEIC"])
def test_primaries_stated_by_number_count_like_a_profile(kind: str):
    if kind == "HEIC":
        data = heic(SQUARE, color_primaries=12, transfer_characteristics=13)
    else:
        header, *rest = png_chunks(encode(SQUARE, "PNG"))
        data = png(header, (b"cICP", bytes([12, 13, 0, 1])), *rest)
    by_profile = decode_image(ENCODERS[kind](SQUARE, profiles.DISPLAY_P3), SIDE).pixels.astype(int)
    assert np.abs(decode_image(data, SIDE).pixels - by_profile).max() <= 1


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused_since_its_brightness_fits_no_screen(transfer: int, name: str):
    header, *rest = png_chunks(encode(SQUARE, "PNG"))
    with pytest.raises(ImageError, match=name) as error:
        decode_image(png(header, (b"cICP", bytes([9, transfer, 0, 1])), *rest), SIDE)
    assert error.value.status == "unsupported"


def test_a_profile_is_read_by_no_library_in_the_process_that_classifies():
    tables = profiles.profile(b"RGB ", b"Lab ", {b"A2B0": b"mft2"})
    assert open_picture(encode(SQUARE, "JPEG", icc_profile=profiles.DISPLAY_P3)).plain
    assert not open_picture(encode(SQUARE, "JPEG", icc_profile=tables)).plain
    assert not open_picture(encode(SQUARE, "PNG", icc_profile=tables)).plain
    assert (
        decode_image(encode(SQUARE, "PNG", icc_profile=tables), SIDE).width == SIDE
    )  # broken: changes nothing


def test_a_profile_that_inflates_without_end_takes_no_memory():
    header, *rest = png_chunks(encode(SQUARE, "PNG"))
    bomb = b"bomb\0\0" + zlib.compress(bytes(100_000_000))
    plain = decode_image(encode(SQUARE, "PNG"), SIDE).pixels
    assert np.array_equal(decode_image(png(header, (b"iCCP", bomb), *rest), SIDE).pixels, plain)


def test_a_curve_of_more_points_than_it_has_takes_no_memory():
    """In a PNG, whose profile is compressed, some hundred bytes would become gigabytes."""
    points = 2**24
    curve = b"curv" + bytes(4) + struct.pack(">I", points) + bytes(2 * 65_536)
    bomb = encode(SQUARE, "PNG", icc_profile=profiles.of_grey(curve))
    tracemalloc.start()
    try:
        assert open_picture(bomb).profile is None
        assert tracemalloc.get_traced_memory()[1] < points
    finally:
        tracemalloc.stop()
