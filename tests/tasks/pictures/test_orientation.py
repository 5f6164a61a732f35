"""Every orientation is applied once, wherever a format keeps it, as a reference applies it."""

import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tasks.pictures import decode_image
from tests.fuzz.corpus import encode, exif, heic, photo, png, png_chunks

TURNS = Image.Transpose
UPRIGHT: dict[int, Callable[[Image.Image], Image.Image]] = {  # CIPA DC-008 4.6.5, by Pillow's own turns
    1: lambda image: image,
    2: lambda image: image.transpose(TURNS.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(TURNS.ROTATE_180),
    4: lambda image: image.transpose(TURNS.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(TURNS.TRANSPOSE),
    6: lambda image: image.transpose(TURNS.ROTATE_270),
    7: lambda image: image.transpose(TURNS.TRANSVERSE),
    8: lambda image: image.transpose(TURNS.ROTATE_90),
}


def xmp(orientation: int) -> bytes:
    return f'<rdf:Description tiff:Orientation="{orientation}"/>'.encode()


def png_ending_with(name: bytes, content: bytes) -> bytes:
    *chunks, end = png_chunks(encode(photo(), "PNG"))
    return png(*chunks, (name, content), end)


def raw_profile(orientation: int) -> bytes:
    text = b"\nexif\n      26\n" + exif(orientation).hex().encode() + b"\n"
    return b"Raw profile type exif\0\0" + zlib.compress(text)


def tiff(orientation: int, **options: object) -> bytes:
    tags = options.pop("tags", {})
    return encode(photo(), "TIFF", tiffinfo={274: orientation, **tags}, **options)


TILES = {322: 32, 323: 16}
PLACES: dict[str, Callable[[int], bytes]] = {
    "JPEG EXIF": lambda n: encode(photo(), "JPEG", exif=b"Exif\0\0" + exif(n)),
    "JPEG XMP": lambda n: encode(photo(), "JPEG", xmp=xmp(n)),
    "PNG eXIf": lambda n: encode(photo(), "PNG", exif=exif(n)),
    "PNG eXIf behind the picture": lambda n: png_ending_with(b"eXIf", exif(n)),
    "PNG raw profile": lambda n: png_ending_with(b"zTXt", raw_profile(n)),
    "PNG XMP": lambda n: png_ending_with(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(n)),
    "WebP EXIF": lambda n: encode(photo(), "WEBP", exif=b"Exif\0\0" + exif(n)),
    "WebP XMP": lambda n: encode(photo(), "WEBP", xmp=xmp(n)),
    "AVIF": lambda n: encode(photo(), "AVIF", exif=b"Exif\0\0" + exif(n)),
    "HEIC": lambda n: heic(photo(), quality=90, exif=b"Exif\0\0" + exif(n)),
    "TIFF strips": lambda n: tiff(n, tags={278: 16}),
    "TIFF LZW strips": lambda n: tiff(n, tags={278: 16}, compression="tiff_lzw"),
    "TIFF JPEG": lambda n: tiff(n, compression="jpeg"),
    "TIFF tiles": lambda n: tiff(n, tags=TILES),
    "TIFF deflate tiles": lambda n: tiff(n, tags=TILES, compression="tiff_adobe_deflate"),
    "TIFF XMP": lambda n: encode(photo(), "TIFF", tiffinfo={700: xmp(n)}),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("place", PLACES)
def test_a_picture_stands_upright_once(place: str, orientation: int):
    decoded = decode_image(PLACES[place](orientation), 60)
    upright = UPRIGHT[orientation](photo())
    assert (decoded.width, decoded.height) == upright.size
    expected = np.asarray(upright.resize((60, 60), Image.Resampling.BOX)).astype(int)
    assert np.abs(decoded.pixels - expected).mean() < 6


def test_exif_counts_before_xmp():
    data = encode(photo(), "JPEG", exif=b"Exif\0\0" + exif(6), xmp=xmp(3))
    assert np.array_equal(decode_image(data, 60).pixels, decode_image(PLACES["JPEG EXIF"](6), 60).pixels)
