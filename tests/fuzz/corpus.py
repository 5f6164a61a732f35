"""Small image files of every format that is decoded, plain and odd; made here, of nobody's pictures."""

import io
import struct
import zlib
from collections.abc import Iterator
from itertools import chain

import cv2
import numpy as np
import pillow_heif
from PIL import Image, PngImagePlugin

from tests.fuzz import profiles

SIZE = (90, 60)
PNG_START = b"\x89PNG\r\n\x1a\n"


def photo(size: tuple[int, int] = SIZE, seed: int = 0) -> Image.Image:
    """Coloured clouds: no two rows alike, as in a photograph."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC))


def grey_of_16_bits() -> Image.Image:
    return Image.fromarray(np.asarray(photo().convert("L")).astype(np.uint16) * 257)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file of these chunks, with their checksums."""
    return PNG_START + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        [length] = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def exif(orientation: int) -> bytes:
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def photograph(taken: str, offset: str = "") -> bytes:
    """The EXIF of a photograph taken at a time."""
    tags = Image.Exif()
    tags.get_ifd(0x8769).update({0x9003: taken} | ({0x9011: offset} if offset else {}))
    return tags.tobytes()


def animated_png() -> bytes:
    """A PNG whose still picture is not one of its frames."""
    header, *middle, end = png_chunks(encode(photo(), "PNG"))
    frame = b"".join(content for name, content in png_chunks(encode(photo(seed=1), "PNG")) if name == b"IDAT")
    control = struct.pack(">IIIIIHHBB", 0, *SIZE, 0, 0, 1, 10, 0, 0)
    frames = [(b"fcTL", control), (b"fdAT", struct.pack(">I", 1) + frame)]
    return png(header, (b"acTL", struct.pack(">II", 1, 0)), *middle, *frames, end)


def text_png() -> bytes:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "a" * 3000, zip=True)
    notes.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=True)
    return encode(photo(), "PNG", pnginfo=notes, exif=exif(3))


def jpegs() -> Iterator[tuple[str, bytes]]:
    for name, options in {
        "jpeg": {},
        "jpeg 4:4:4": {"subsampling": 0},
        "jpeg progressive": {"progressive": True},
        "jpeg exif": {"exif": b"Exif\0\0" + exif(6)},
        "jpeg icc": {"icc_profile": bytes(500)},
        "jpeg restarts": {"restart_marker_rows": 1},
    }.items():
        yield name, encode(photo(), "JPEG", **options)
    yield "jpeg grey", encode(photo().convert("L"), "JPEG")
    yield "jpeg cmyk", encode(photo().convert("CMYK"), "JPEG")


def pngs() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        grey = photo().convert("L")
        yield f"png {mode}", encode(grey.convert(mode) if mode == "LA" else photo().convert(mode), "PNG")
    yield (
        "png 16 bits",
        encode(Image.fromarray(np.asarray(photo().convert("L")).astype(np.uint16) * 257), "PNG"),
    )
    yield "png rgb 16 bits", cv2.imencode(".png", np.asarray(photo()).astype(np.uint16) * 257)[1].tobytes()
    yield "png tRNS", encode(photo(), "PNG", transparency=(9, 9, 9))
    yield "png grey tRNS", encode(photo().convert("L"), "PNG", transparency=9)
    yield "png animated", animated_png()
    yield "png texts", text_png()


def webps() -> Iterator[tuple[str, bytes]]:
    clear = photo()
    clear.putalpha(Image.linear_gradient("L").resize(SIZE))
    yield "webp", encode(photo(), "WEBP", exif=b"Exif\0\0" + exif(6))
    yield "webp lossless", encode(photo(), "WEBP", lossless=True)
    yield "webp alpha", encode(clear, "WEBP")
    frames = [photo(seed=1), photo(seed=2)]
    yield "webp animated", encode(photo(), "WEBP", save_all=True, append_images=frames)


def gifs() -> Iterator[tuple[str, bytes]]:
    yield "gif", encode(photo(), "GIF")
    yield "gif interlaced", encode(photo(), "GIF", interlace=1)
    yield "gif transparent", encode(photo().convert("P"), "GIF", transparency=3)
    yield "gif animated", encode(photo(), "GIF", save_all=True, append_images=[photo(seed=1)])


def bmps() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"bmp {mode}", encode(photo().convert(mode), "BMP")


def tiffs() -> Iterator[tuple[str, bytes]]:
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        yield f"tiff {compression}", encode(photo(), "TIFF", compression=compression)
    for mode in ("1", "L", "P", "RGBA", "CMYK", "LA"):
        yield f"tiff {mode}", encode(photo().convert(mode), "TIFF", compression="tiff_lzw")
    yield "tiff fax", encode(photo().convert("1"), "TIFF", compression="group4")
    yield "tiff big", encode(photo(), "TIFF", big_tiff=True, compression="tiff_lzw")
    yield "tiff turned", encode(photo(), "TIFF", tiffinfo={274: 6})
    yield "tiff 16 bits", encode(grey_of_16_bits(), "TIFF")


def heic(image: Image.Image, **options: object) -> bytes:
    """options: as of `HeifFile.save`, and `icc_profile`."""
    file, out = pillow_heif.from_pillow(image), io.BytesIO()
    if profile := options.pop("icc_profile", None):
        file.info["icc_profile"] = profile
    file.save(out, **options)
    return out.getvalue()


def deep_heic(image: Image.Image, bits: int, chroma: int) -> bytes:
    """Of more than eight bits, which cameras write, and of what chroma subsampling."""
    samples, out = np.asarray(image).astype("<u2") << (bits - 8), io.BytesIO()
    pillow_heif.encode(f"RGB;{bits}", image.size, samples.tobytes(), out, chroma=chroma)
    return out.getvalue()


def deep_avif(image: Image.Image, bits: int) -> bytes:
    samples = np.asarray(image)[:, :, ::-1].astype(np.uint16) << (bits - 8)
    return cv2.imencode(".avif", samples, [cv2.IMWRITE_AVIF_DEPTH, bits])[1].tobytes()


def avifs() -> Iterator[tuple[str, bytes]]:
    clear = photo()
    clear.putalpha(128)
    yield "avif", encode(photo(), "AVIF")
    yield "avif 4:4:4", encode(photo(), "AVIF", subsampling="4:4:4", quality=100)
    yield "avif grey", encode(photo().convert("L"), "AVIF")
    yield "avif alpha", encode(clear, "AVIF")
    yield "avif turned", encode(photo(), "AVIF", exif=b"Exif\0\0" + exif(6))
    yield "avif 10 bits", deep_avif(photo(), 10)
    yield "avif animated", encode(photo(), "AVIF", save_all=True, append_images=[photo(seed=1)])


def heics() -> Iterator[tuple[str, bytes]]:
    clear = photo()
    clear.putalpha(128)
    yield "heic", heic(photo())
    yield "heic grid", heic(photo(), tile_size=32)
    yield "heic alpha", heic(clear)
    yield "heic turned", heic(photo(), exif=b"Exif\0\0" + exif(6))
    yield "heic 10 bits", heic(grey_of_16_bits())
    yield "heic 10 bits 4:2:2", deep_heic(photo(), 10, 422)


def profiled() -> Iterator[tuple[str, bytes]]:
    yield "jpeg profile", encode(photo(), "JPEG", icc_profile=profiles.DISPLAY_P3)
    yield "jpeg cmyk profile", encode(photo().convert("CMYK"), "JPEG", icc_profile=profiles.inks())
    yield "png profile", encode(photo(), "PNG", icc_profile=profiles.ADOBE_RGB)
    yield "tiff cmyk profile", encode(photo().convert("CMYK"), "TIFF", icc_profile=profiles.inks())


def corpus() -> dict[str, bytes]:
    kinds = (jpegs(), pngs(), webps(), gifs(), bmps(), tiffs(), avifs(), heics(), profiled())
    return dict(chain.from_iterable(kinds))
