"""A file is a picture when all of it is there: half pictures are refused, and sound ones are not."""

import time
import zlib

import numpy as np
import pytest
from PIL import Image

from tasks.pictures import ImageError, decode_image, open_picture
from tests.fuzz.corpus import corpus, encode, heic, photo, png, png_chunks

PHOTO = photo((300, 200))
COMPRESSED = {
    "jpeg": encode(PHOTO, "JPEG"),
    "progressive jpeg": encode(PHOTO, "JPEG", progressive=True),
    "png": encode(PHOTO, "PNG"),
    "webp": encode(PHOTO, "WEBP"),
    "lossless webp": encode(PHOTO, "WEBP", lossless=True),
    "gif": encode(PHOTO, "GIF"),
    "lzw tiff": encode(PHOTO, "TIFF", compression="tiff_lzw"),
    "deflate tiff": encode(PHOTO, "TIFF", compression="tiff_adobe_deflate"),
    "jpeg tiff": encode(PHOTO, "TIFF", compression="jpeg"),
    "avif": encode(PHOTO, "AVIF", quality=95),
    "heic": heic(PHOTO, quality=90),
    "heic grid": heic(PHOTO, quality=90, tile_size=128),
    "fax tiff": encode(PHOTO.convert("1"), "TIFF", compression="group4"),
}


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as error:
        decode_image(data, 60)
    assert error.value.status == "corrupt"
    return error.value.reason


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("at", [0.3, 0.5, 0.7])
def test_a_lost_sector_is_noticed(kind: str, at: float):
    data = COMPRESSED[kind]
    start = int(at * len(data))
    refusal(data[:start] + bytes(512) + data[start + 512 :])


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("jpeg", b"\xff\xd9"),
        ("progressive jpeg", b"\xff\xd9"),
        ("png", b"\0\0\0\0IEND\xaeB`\x82"),
        ("gif", b"\0;"),
    ],
)
@pytest.mark.parametrize("share", [0.2, 0.4, 0.95])
def test_a_cut_file_is_not_whole_for_an_end_marker(kind: str, ending: bytes, share: float):
    data = COMPRESSED[kind]
    refusal(data[: int(len(data) * share)] + ending)


@pytest.mark.parametrize("kind", ["avif", "heic", "heic grid"])
@pytest.mark.parametrize("share", [0.2, 0.4, 0.95, 0.999])
def test_an_avif_or_heic_that_is_cut_is_corrupt(kind: str, share: float):
    data = COMPRESSED[kind]
    refusal(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["avif", "heic", "heic grid"])
def test_removed_data_of_an_avif_or_heic_are_missed(kind: str):
    data = COMPRESSED[kind]
    refusal(data[: len(data) // 2] + data[len(data) // 2 + 100 :])


@pytest.mark.parametrize("kind", ["avif", "heic"])
def test_a_large_picture_in_an_avif_or_heic_is_refused_before_it_is_decoded(kind: str):
    data = COMPRESSED[kind]
    size = data.index(b"ispe") + 8
    with pytest.raises(ImageError) as error:
        open_picture(data[:size] + (60_000).to_bytes(4, "big") * 2 + data[size + 8 :])
    assert error.value.status == "too_large"


def test_flat_areas_of_an_avif_are_no_lost_sectors():
    assert (decode_image(encode(Image.new("RGB", (3000, 3000), "white"), "AVIF"), 60).pixels == 255).all()


def test_a_png_cut_between_two_chunks_of_image_data_is_corrupt():
    header, *middle, end = png_chunks(COMPRESSED["png"])
    packed = b"".join(content for _, content in middle)
    refusal(png(header, (b"IDAT", packed[: len(packed) // 2]), end))


def test_a_progressive_jpeg_cut_between_two_scans_is_corrupt():
    data = COMPRESSED["progressive jpeg"]
    scan = data.rindex(b"\xff\xda")
    tables = data.rindex(b"\xff\xc4", 0, scan)
    assert "scans" in refusal(data[:tables] + b"\xff\xd9")


def test_removed_blocks_of_a_jpeg_are_missed():
    data = COMPRESSED["jpeg"]
    refusal(data[: len(data) // 2] + data[len(data) // 2 + 100 :])


@pytest.mark.parametrize("kind", ["jpeg", "progressive jpeg", "png"])
def test_a_few_bytes_that_claim_a_large_picture_are_corrupt_at_once(kind: str):
    data = bytearray(encode(Image.new("RGB", (16, 16)), kind.split()[-1].upper(), progressive="prog" in kind))
    if kind == "png":
        _, *rest = png_chunks(bytes(data))
        header = b"\0\0\x32\xc8" * 2 + b"\x08\x02\0\0\0"
        data = bytearray(png((b"IHDR", header), *rest))
    else:
        frame = data.index(b"\xff\xc2" if "prog" in kind else b"\xff\xc0")
        data[frame + 5 : frame + 9] = b"\x32\xc8" * 2
    assert "cannot hold" in refusal(bytes(data))


def test_image_data_of_a_png_with_a_length_beyond_the_file_take_no_memory():
    header, image, _ = png_chunks(encode(photo((10, 10)), "PNG"))
    broken = png(header) + b"\x7f\xff\xff\xffIDAT" + image[1][:40]
    refusal(broken)


def test_bad_codes_in_a_fax_are_noticed():
    data = COMPRESSED["fax tiff"]
    middle = len(data) // 2
    refusal(data[:middle] + bytes(byte ^ 0x55 for byte in data[middle : middle + 40]) + data[middle + 40 :])


def with_chunk(name: bytes, content: bytes, last: bool = False) -> bytes:
    header, *middle, end = png_chunks(encode(photo(), "PNG"))
    return png(header, *middle, (name, content), end) if last else png(header, (name, content), *middle, end)


JPEG, PNG, WEBP = encode(photo(), "JPEG"), encode(photo(), "PNG"), encode(photo(), "WEBP")
SOUND = {
    "a JPEG without its end marker": (JPEG[:-2], JPEG),
    "a JPEG of a JFIF version unknown": (JPEG.replace(b"JFIF\0\1\1", b"JFIF\0\7\1"), JPEG),
    "a JPEG with junk for EXIF": (encode(photo(), "JPEG", exif=b"Exif\0\0junk"), JPEG),
    "a JPEG with a camera's notes behind it": (JPEG + b"notes", JPEG),
    "a PNG with junk for EXIF": (with_chunk(b"eXIf", b"junk"), PNG),
    "a PNG with a short pHYs": (with_chunk(b"pHYs", b"abc"), PNG),
    "a PNG with a large text": (with_chunk(b"tEXt", b"Comment\0" + b"a" * 9_000_000), PNG),
    "a PNG with a text that inflates": (
        with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 5_000_000), last=True),
        PNG,
    ),
    "a PNG with a broken profile": (with_chunk(b"iCCP", b"name\0\0junk"), PNG),
    "a PNG without its end": (PNG[:-12], PNG),
    "a PNG cut in its end": (PNG[:-3], PNG),
    "a WebP with junk for EXIF": (encode(photo(), "WEBP", exif=b"junk"), WEBP),
    "a GIF without its end": (encode(photo(), "GIF")[:-1], encode(photo(), "GIF")),
    "a TIFF with a broken EXIF": (
        encode(photo(), "TIFF", tiffinfo={34665: 99_999_999}),
        encode(photo(), "TIFF"),
    ),
}


@pytest.mark.parametrize("what", SOUND)
def test_what_harms_no_pixel_is_sound(what: str):
    data, plain = SOUND[what]
    assert np.array_equal(decode_image(data, 60).pixels, decode_image(plain, 60).pixels)


def test_a_grey_png_with_a_transparent_colour_and_a_large_text_behind_it_is_sound():
    header, *middle, end = png_chunks(encode(photo().convert("L"), "PNG", transparency=9))
    text = (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 2_000_000))
    assert decode_image(png(header, *middle, text, end), 60).width == photo().width


CORPUS = corpus()


@pytest.mark.parametrize("name", CORPUS)
def test_every_kind_of_file_that_programs_write_is_sound(name: str):
    image = decode_image(CORPUS[name], 60)
    assert {image.width, image.height} == set(photo().size)
    assert image.pixels.std() > 10


def test_a_damaged_animation_costs_a_png_nothing():
    header, *middle, end = png_chunks(PNG)
    animation = [(b"acTL", b"\0\0\0\2\0\0\0\0"), (b"fcTL", bytes(26)), (b"fdAT", b"\0\0\0\1junk")]
    for damaged in (
        png(header, *animation, *middle, end),
        png(header, animation[0], *middle, *animation[1:]),
    ):
        assert np.array_equal(decode_image(damaged, 60).pixels, decode_image(PNG, 60).pixels)


def test_a_heic_that_states_endless_pieces_is_refused_at_once():
    data = COMPRESSED["heic"]
    endless = bytes(6) + b"\xff\xff" + b"\0\1\0\0\xff\xff" * 60_000  # numbers of no bytes, 65,535 each
    started = time.process_time()
    refusal(box(b"ftyp", data[8:24]) + box(b"meta", bytes(4) + with_iloc(data, endless)))
    assert time.process_time() - started < 1


def box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content


def with_iloc(data: bytes, content: bytes) -> bytes:
    """The boxes in the meta box of a HEIC, with another content of `iloc`."""
    at = data.index(b"meta") + 8
    end = data.index(b"meta") - 4 + int.from_bytes(data[data.index(b"meta") - 4 :][:4], "big")
    boxes = []
    while at < end:
        length = int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        boxes.append(box(name, content if name == b"iloc" else data[at + 8 : at + length]))
        at += length
    return b"".join(boxes)
