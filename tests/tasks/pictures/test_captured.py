"""When a photograph was taken is read from its EXIF, junk or not."""

import io

import pytest
from PIL import Image

from tasks.pictures import captured_at


def photograph(kind: str, taken: str, offset: str = "") -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: taken} | ({0x9011: offset} if offset else {}))
    if kind == "TIFF":  # EXIF is one; Pillow writes no such directory into others
        return exif.tobytes().removeprefix(b"Exif\0\0")
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_the_time_of_a_photograph_is_read_with_its_offset(kind: str):
    assert captured_at(photograph(kind, "2024:05:06 07:08:09")) == "2024-05-06T07:08:09"
    assert captured_at(photograph(kind, "2024:05:06 07:08:09", "+02:00")) == "2024-05-06T07:08:09+02:00"
    assert captured_at(photograph(kind, "2024:05:06 07:08:09", "junk")) == "2024-05-06T07:08:09"


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday"])
def test_no_time_is_none_and_junk_never_an_error(taken: str):
    data = photograph("JPEG", taken)
    assert captured_at(data) is None
    for place in range(0, len(data), 3):
        captured_at(data[:place] + b"\xff\xff" + data[place + 2 :])
        captured_at(data[:place])
