"""When a photograph was taken is read from its EXIF, junk or not."""

import pytest
from PIL import Image

from tasks.pictures import captured_at
from tests.fuzz.corpus import encode, heic, photograph


def file(kind: str, *taken: str) -> bytes:
    exif = photograph(*taken)
    if kind == "TIFF":  # EXIF is one
        return exif.removeprefix(b"Exif\0\0")
    image = Image.new("RGB", (64, 64))
    return heic(image, exif=exif) if kind == "HEIC" else encode(image, kind, exif=exif)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP", "AVIF", "HEIC"])
def test_the_time_of_a_photograph_is_read_with_its_offset(kind: str):
    assert captured_at(file(kind, "2024:05:06 07:08:09")) == "2024-05-06T07:08:09"
    assert captured_at(file(kind, "2024:05:06 07:08:09", "+02:00")) == "2024-05-06T07:08:09+02:00"
    assert captured_at(file(kind, "2024:05:06 07:08:09", "junk")) == "2024-05-06T07:08:09"


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday"])
def test_no_time_is_none_and_junk_never_an_error(taken: str):
    data = file("JPEG", taken)
    assert captured_at(data) is None
    for place in range(0, len(data), 3):
        captured_at(data[:place] + b"\xff\xff" + data[place + 2 :])
        captured_at(data[:place])
