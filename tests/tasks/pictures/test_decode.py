"""Whatever an image file is, it becomes checked RGB uint8 or an error that says why."""

import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from tasks.pictures import ImageError, decode_image
from tests.fuzz.corpus import encode


def corners(size: int = 60) -> np.ndarray:
    """Red, green, blue and black quarters: every turn and flip looks different."""
    picture = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    picture[:half, :half], picture[:half, half:], picture[half:, :half] = (
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
    )
    return picture


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_png_mode_becomes_rgb(mode: str):
    grey = Image.fromarray(np.full((20, 30), 204, np.uint8))
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 30), 204 * 257, np.uint16))
    else:
        image = grey.convert("RGB").convert(mode) if mode != "LA" else grey.convert("LA")
    pixels = decode_image(encode(image, "PNG"), 10).pixels
    assert (pixels.shape, pixels.dtype) == ((10, 10, 3), np.uint8)
    if mode != "1":
        assert np.abs(pixels.astype(int) - 204).max() <= 3


def test_cmyk_becomes_rgb():
    red = Image.new("RGB", (20, 20), (255, 0, 0)).convert("CMYK")
    assert (
        np.abs(decode_image(encode(red, "JPEG", quality=95), 10).pixels[5, 5].astype(int) - (255, 0, 0)).max()
        < 10
    )


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (Image.new("RGBA", (20, 20), (255, 0, 0, 0)), {}),
        (Image.new("LA", (20, 20), (9, 0)), {}),
        (Image.new("L", (20, 20), 9), {"transparency": 9}),
        (Image.new("RGB", (20, 20), (9, 8, 7)), {"transparency": (9, 8, 7)}),
        (Image.new("P", (20, 20), 0), {"transparency": 0}),
    ],
)
def test_what_is_transparent_is_laid_over_white(image: Image.Image, options: dict):
    assert decode_image(encode(image, "PNG", **options), 10).pixels.min() == 255


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_corrupt_and_never_half_grey(kind: str, share: float):
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), kind)
    decode_image(data, 50)
    with pytest.raises(ImageError) as error:
        decode_image(data[: int(len(data) * share)], 50)
    assert error.value.status == "corrupt"


def test_bytes_after_the_end_of_a_jpeg_do_no_harm():
    data = encode(Image.fromarray(corners()), "JPEG")
    assert np.array_equal(decode_image(data + b"camera notes", 60).pixels, decode_image(data, 60).pixels)


@pytest.mark.parametrize(("data", "status"), [(b"", "corrupt"), (b"not an image", "unsupported")])
def test_what_is_no_image_is_refused(data: bytes, status: str):
    with pytest.raises(ImageError) as error:
        decode_image(data, 10)
    assert error.value.status == status


def test_a_decompression_bomb_is_refused_by_its_header():
    png = bytearray(encode(Image.new("L", (10, 10)), "PNG"))
    png[16:24] = (60_000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(bytes(png[12:29])).to_bytes(4, "big")
    with pytest.raises(ImageError) as error:
        decode_image(bytes(png), 10)
    assert error.value.status == "too_large"


def test_a_large_jpeg_is_scaled_while_decoding_and_looks_the_same():
    photo = cv2.resize(corners(), (1600, 1200), interpolation=cv2.INTER_LINEAR)
    data = encode(Image.fromarray(photo), "JPEG", quality=95)
    whole = cv2.resize(photo, (150, 150), interpolation=cv2.INTER_AREA)
    assert np.abs(decode_image(data, 150).pixels.astype(int) - whole).mean() < 2
