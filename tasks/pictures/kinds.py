"""What a file is, by its first bytes: a picture that is decoded, or something else, by its name."""

import re

from tasks.pictures.outcome import ImageError, corrupt, unsupported

JPEG, PNG, WEBP, GIF, BMP, TIFF = "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"
AVIF, HEIC = "AVIF", "HEIC"

DECODED = (
    (JPEG, re.compile(rb"\xff\xd8\xff")),
    (PNG, re.compile(rb"\x89PNG\r\n\x1a\n")),
    (WEBP, re.compile(rb"RIFF....WEBP", re.DOTALL)),
    (GIF, re.compile(rb"GIF8[79]a")),
    (BMP, re.compile(rb"BM.{8}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)),
)
TIFF_START = re.compile(rb"II[*+]\0|MM\0[*+]")
RAW_IN_TIFF = re.compile(rb"II\*\0.{4}CR|II[*]\0.{4}HEAPCCDR", re.DOTALL)

AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
ANY_BRANDS = {b"mif1", b"mif2", b"msf1", b"miaf"}  # of HEIF in general
MOST_BRANDS = 256  # bytes
BRANDS = (  # of ISO media files: bytes 8 to 12, after `ftyp`
    (re.compile(rb"crx "), "a camera's raw file (CR3)"),
    (re.compile(rb"jp2 |jpx "), "a JPEG 2000 image"),
    (re.compile(rb"M4A |M4B "), "a sound file"),
    (re.compile(rb"...."), "a video (MP4 or QuickTime)"),
)
OTHERS = (
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (rb"\xff\xd8\xff\xf7", "a JPEG-LS image"),
    (rb"II\xbc\x01|II\xbc\x00", "a JPEG XR image"),
    (rb"IIRO|IIRS|MMOR|IIU\x00|FUJIFILMCCD-RAW|FOVb|\x00MRM", "a camera's raw file"),
    (rb"8BPS", "a Photoshop document"),
    (rb"%PDF", "a PDF document"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document"),
    (
        rb"\xef?\xbb?\xbf?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE svg[^>]*>\s*)?<(?:svg:)?svg",
        "an SVG drawing",
    ),
    (rb"\xef?\xbb?\xbf?\s*(?:<!doctype html|<html|<head|<body)", "a web page"),
    (rb"\xef?\xbb?\xbf?\s*<\?xml", "an XML file"),
    (rb"version https://git-lfs", "a Git LFS pointer, not the file itself,"),
    (rb"\x00\x00\x01\x00", "an icon (ICO)"),
    (rb"\x00\x00\x02\x00", "a cursor (CUR)"),
    (rb"icns", "an icon (ICNS)"),
    (rb".{128}DICM", "a DICOM image"),
    (rb"SIMPLE  =", "a FITS image"),
    (rb"\x76\x2f\x31\x01", "an OpenEXR image"),
    (rb"#\?RADIANCE|#\?RGBE", "a Radiance HDR image"),
    (rb"P[1-7][\s#]|P[Ff]\s|Pf\s", "a PNM image"),
    (rb"\x8aMNG|\x8bJNG", "an MNG or JNG image"),
    (rb"DDS ", "a DDS texture"),
    (rb"\xabKTX", "a KTX texture"),
    (rb"qoif", "a QOI image"),
    (rb"BPG\xfb", "a BPG image"),
    (rb"FLIF", "a FLIF image"),
    (rb"gimp xcf", "a GIMP image"),
    (rb"AT&TFORM", "a DjVu document"),
    (rb"\xd7\xcd\xc6\x9a|\x01\x00\x00\x00.{36} EMF", "a Windows metafile"),
    (rb"\x0a[\x00\x02-\x05]\x01[\x01\x02\x04\x08]", "a PCX image"),
    (rb"FORM....ILBM", "an ILBM image"),
    (rb"\x59\xa6\x6a\x95", "a Sun raster image"),
    (rb"\x01\xda[\x00\x01][\x01\x02]", "an SGI image"),
    (rb"RIFF....AVI ", "a video (AVI)"),
    (rb"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
    (rb"\x00\x00\x01[\xb3\xba]|FLV\x01|OggS|\x30\x26\xb2\x75|G.{187}G", "a video"),
    (rb"....(?:moov|mdat|wide|free|skip|pnot)", "a video (QuickTime)"),
    (rb"RIFF....WAVE|ID3|fLaC|\xff[\xfb\xf3\xf2]", "a sound file"),
    (rb"PK\x03\x04|PK\x05\x06", "a ZIP archive"),
    (rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|.{257}ustar", "an archive"),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"\x89HDF", "an HDF5 file"),
    (rb"SQLite format 3", "a SQLite database"),
    (rb"PAR1", "a Parquet file"),
    (rb"\x00\x05\x16\x07", "an AppleDouble side-car, which macOS writes beside a file,"),
)  # fmt: skip
PATTERNS = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE if b"<" in pattern else re.DOTALL), name)
    for pattern, name in OTHERS
)
LOOKED_AT = 4096  # bytes


def format_of(data: bytes) -> str:
    """The format of a file that is decoded; raises ImageError, with its name, for any other."""
    start = data[:LOOKED_AT]
    if not data:
        raise corrupt("the file is empty")
    if start.startswith(b"\xff\xd8\xff\xf7"):
        raise unsupported("a JPEG-LS image")
    for format, pattern in DECODED:
        if pattern.match(start):
            return format
    if start[4:8] == b"ftyp" and (heif := format_of_brands(start)):
        return heif
    if TIFF_START.match(start):
        if RAW_IN_TIFF.match(start):
            raise unsupported("a camera's raw file")
        return TIFF
    raise error_for(start, data)


def format_of_brands(start: bytes) -> str | None:
    """Whether an ISO media file is AVIF or HEIC, by its own brand, else by those it is compatible with."""
    stop = min(int.from_bytes(start[:4], "big"), MOST_BRANDS)
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, stop, 4))]
    kinds = [AVIF if brand in AVIF_BRANDS else HEIC for brand in brands if brand in AVIF_BRANDS | HEIC_BRANDS]
    if brands[0] in ANY_BRANDS | AVIF_BRANDS | HEIC_BRANDS:
        return kinds[0] if kinds else HEIC
    return None


def error_for(start: bytes, data: bytes) -> ImageError:
    if start[4:8] == b"ftyp":
        return unsupported(next((name for pattern, name in BRANDS if pattern.match(start[8:12])), "a video"))
    for pattern, name in PATTERNS:
        if pattern.match(start):
            return unsupported(name)
    if not data.strip(b"\0"):
        return corrupt("the file holds nothing but zeros")
    return ImageError("unsupported", "not an image file, or of a format that is not known")
