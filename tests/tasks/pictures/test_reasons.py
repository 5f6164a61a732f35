"""A file that is not decoded is called what it is."""

import sys

import pytest

from tasks.pictures import ImageError, decode_image
from tasks.pictures.decode import finish, open_picture
from tests.fuzz.corpus import encode, heic, photo


def twelve_bits() -> bytes:
    data = bytearray(encode(photo(), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (heic(photo()).replace(b"hvc1", b"vvc1"), "a VVC picture in HEIF"),
        (heic(photo(), color_primaries=9, transfer_characteristics=16), "a picture in HDR (PQ)"),
        (b"\xff\x0a\xfa\x7f", "a JPEG XL image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (encode(photo(), "JPEG2000"), "a JPEG 2000 image"),
        (twelve_bits(), "a JPEG of 12 bits a sample"),
        (encode(photo(), "PDF"), "a PDF document"),
        (encode(photo(), "ICO"), "an icon"),
        (encode(photo(), "PPM"), "a PNM image"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", "a video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "a video"),
        (b"\x1aE\xdf\xa3\x93", "a video"),
        (b"PK\3\4\x14\0", "a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(20), "a camera's raw file"),
        (b"some words", "not an image file"),
    ],
)
def test_what_is_not_decoded_is_named(data: bytes, name: str):
    with pytest.raises(ImageError) as error:
        decode_image(data, 60)
    assert error.value.status == "unsupported"
    assert name in error.value.reason


@pytest.mark.parametrize(("data", "reason"), [(b"", "empty"), (bytes(999), "zeros")])
def test_a_file_of_nothing_is_corrupt(data: bytes, reason: str):
    with pytest.raises(ImageError, match=reason) as error:
        decode_image(data, 60)
    assert error.value.status == "corrupt"


def test_where_pillow_heif_is_not_installed_a_heic_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # so that Python does not find it
    with pytest.raises(ImageError, match="install pillow-heif") as error:
        finish(open_picture(heic(photo())), 60, "squeeze")
    assert error.value.status == "unsupported"
