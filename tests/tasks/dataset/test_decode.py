"""Whatever an image file is, it becomes checked RGB uint8 or an error that says why."""

import io
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from tasks.dataset.decode import (
    ORIENTATION_TAG,
    ImageError,
    decode_image,
    header_by_pillow,
    header_of_plain_jpeg,
)


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


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_applied_as_pillow_applies_it(kind: str, orientation: int):
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    data = encode(Image.fromarray(corners()).resize((60, 40)), kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    decoded = decode_image(data, 60)
    assert (decoded.width, decoded.height) == upright.size
    corner_pixels = decoded.pixels[[10, 10, 50, 50], [10, 50, 10, 50]].astype(int)
    expected = np.array(upright.resize((60, 60)))[[10, 10, 50, 50], [10, 50, 10, 50]]
    assert np.abs(corner_pixels - expected).max() < 30


@pytest.mark.parametrize(
    ("mode", "options"), [("RGB", {}), ("RGB", {"progressive": True}), ("L", {}), ("CMYK", {})]
)
def test_a_plain_jpegs_header_says_what_pillow_reads(mode: str, options: dict):
    data = encode(Image.new(mode, (40, 60)), "JPEG", **options)
    assert header_of_plain_jpeg(data) == header_by_pillow(data)


def test_a_jpeg_with_an_orientation_or_a_broken_header_is_left_to_pillow():
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    plain = encode(Image.new("RGB", (40, 60)), "JPEG")
    odd = plain.replace(b"\x03\x01\x22\x00", b"\x03\x01\x14\x00")  # luma sampled 1x4, which has no name
    assert odd != plain
    for data in (encode(Image.new("RGB", (40, 60)), "JPEG", exif=exif), plain[:30], odd, b"GIF89a"):
        assert header_of_plain_jpeg(data) is None


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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
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
