"""Bytes to checked RGB uint8: the only decoder in the project, for training and for classification."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from tasks.storage import FileEntry, read_ahead

DECODER_VERSION = 1  # raise when `decode_image` gives other pixels: decoded parts are then not reused


MAX_PIXELS = 2 * 89_478_485  # where Pillow refuses as well: a decompression bomb
MAX_BYTES = 200_000_000
ORIENTATION_TAG = 0x0112
UNREADABLE = "unreadable"  # the one status that another try may change
DECODABLE = {"JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF"}
WITH_ALPHA = {"RGBA", "LA", "PA", "RGBa", "La"}
START_OF_JPEG, END_OF_JPEG, EXIF = b"\xff\xd8\xff", b"\xff\xd9", b"Exif\0\0"
END_OF_PNG = b"IEND\xaeB\x60\x82"

# One thread a decode: parallelism is over images, and Ray grants each task its cores.
cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class ImageError(ValueError):
    """An image that cannot be used; `status` is one of corrupt, too_large, unsupported, unreadable."""

    def __init__(self, status: str, reason: str):
        super().__init__(status, reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class Decoded:
    """A picture as models see it, and its size as a viewer shows it (EXIF orientation applied)."""

    pixels: np.ndarray
    width: int
    height: int


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before any pixel is decoded."""

    format: str
    width: int
    height: int
    orientation: int
    alpha: bool


def read_images(root: str, files: Sequence[FileEntry]) -> Iterator[bytes | ImageError]:
    """Yield the bytes of each file in order, or why it cannot be had; files over the limit are not read."""
    contents = read_ahead(root, [file for file in files if file.bytes <= MAX_BYTES])
    for file in files:
        content = _too_large(file.bytes) if file.bytes > MAX_BYTES else next(contents)
        yield ImageError(UNREADABLE, str(content)) if isinstance(content, OSError) else content


def _too_large(size: int) -> ImageError:
    return ImageError("too_large", f"{size:,} bytes, the limit is {MAX_BYTES:,}")


def decode_image(data: bytes, size_px: int) -> Decoded:
    """Decode one image file to RGB uint8 [size_px, size_px, 3], squeezed to the square.

    Orientation is applied; grey, palette, CMYK and 16-bit become RGB; alpha is laid over white.
    Shrinking averages areas, enlarging interpolates linearly.

    Raises ImageError: too_large before any decode, unsupported for other than images, corrupt for files
    that do not decode to their last row (never a half-grey picture).
    """
    header = read_header(data)
    pixels = _pixels(data, header, size_px)
    pixels = resize(pixels, size_px)
    if header.alpha:
        pixels = _over_white(pixels)
    turned = np.ascontiguousarray(_turn(pixels, header.orientation))
    width, height = header.width, header.height
    if header.orientation >= 5:
        width, height = height, width
    return Decoded(turned, width, height)


def read_header(data: bytes) -> Header:
    """Read format, size and orientation without decoding. Raises ImageError as `decode_image` does."""
    if not data:
        raise ImageError("corrupt", "the file is empty")
    if len(data) > MAX_BYTES:
        raise _too_large(len(data))
    return header_of_plain_jpeg(data) or header_by_pillow(data)


def header_of_plain_jpeg(data: bytes) -> Header | None:
    """The header of a JPEG that says nothing of its orientation, read several times faster than by Pillow.

    None for any other file, and for one that Pillow shall say what is wrong with.
    """
    if not data.startswith(START_OF_JPEG) or EXIF in data:
        return None
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except Exception:  # whatever it stumbles over
        return None
    return Header("JPEG", width, height, 1, False) if width * height <= MAX_PIXELS else None


def header_by_pillow(data: bytes) -> Header:
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            alpha = image.mode in WITH_ALPHA or "transparency" in image.info
            kind = image.format or ""
            orientation = image.getexif().get(ORIENTATION_TAG, 1) if _has_exif(image) else 1
    except UnidentifiedImageError:
        raise ImageError("unsupported", "not an image file") from None
    except Image.DecompressionBombError:
        raise ImageError("too_large", f"over {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # Pillow's readers raise whatever a malformed header makes them raise
        raise ImageError("corrupt", f"unreadable header: {error}") from error
    if kind not in DECODABLE:
        raise ImageError("unsupported", f"{kind} images are not supported")
    if width * height > MAX_PIXELS:
        raise ImageError("too_large", f"{width}x{height} pixels, the limit is {MAX_PIXELS:,}")
    return Header(kind, width, height, orientation if orientation in range(1, 9) else 1, alpha)


def _has_exif(image: Image.Image) -> bool:
    """Whether it is worth Pillow's slow search; it also looks through XMP, at half the cost of a decode."""
    return "exif" in image.info or image.format == "TIFF"


def _pixels(data: bytes, header: Header, size_px: int) -> np.ndarray:
    """Decode to RGB (RGBA with alpha) uint8 [height, width, channels], unturned."""
    _check_complete(data, header)
    if header.alpha:
        flags = cv2.IMREAD_UNCHANGED
    else:
        flags = _jpeg_scale(header, size_px) | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError("corrupt", f"does not decode: {error.err}") from error
    if pixels is None:
        raise ImageError("corrupt", "does not decode")
    pixels = _eight_bits(pixels)
    if not header.alpha:
        return pixels
    if pixels.shape[2] != 4:  # OpenCV drops a transparent grey level or colour of PNG
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGBA"))
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)


def _check_complete(data: bytes, header: Header) -> None:
    """Refuse truncated JPEG and PNG: OpenCV would fill what is missing with grey.

    A file that ends in its end marker is complete. Any other is decoded once by Pillow, which raises
    where data run out, since some cameras append their own bytes.
    """
    ending = {"JPEG": END_OF_JPEG, "PNG": END_OF_PNG}.get(header.format)
    if ending is None or data.endswith(ending):
        return
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except Exception as error:  # as for the header: any failure to decode is the file's
        raise ImageError("corrupt", f"truncated: {error}") from error


def _jpeg_scale(header: Header, size_px: int) -> int:
    """The strongest scaling inside the JPEG decoder that still leaves `size_px` on both sides, 0 for none."""
    if header.format in {"JPEG", "MPO"}:
        shorter = min(header.width, header.height)
        for factor, flag in (
            (8, cv2.IMREAD_REDUCED_COLOR_8),
            (4, cv2.IMREAD_REDUCED_COLOR_4),
            (2, cv2.IMREAD_REDUCED_COLOR_2),
        ):
            if shorter >= factor * size_px:
                return flag & ~cv2.IMREAD_COLOR  # which would ask for BGR
    return 0


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        pixels = np.clip(pixels * 255.0, 0, 255).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    return pixels


def resize(pixels: np.ndarray, size_px: int) -> np.ndarray:
    """A picture squeezed to a square: areas averaged to shrink it, pixels interpolated to enlarge it."""
    height, width = pixels.shape[:2]
    if (width, height) == (size_px, size_px):
        return pixels
    shrinks = width >= size_px and height >= size_px
    return cv2.resize(
        pixels, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def resize_all(images: np.ndarray, size_px: int) -> np.ndarray:
    """uint8 [n, size, size, 3] at another size; `images` itself where it has that size."""
    if images.shape[1] == size_px:
        return images
    return np.stack([resize(image, size_px) for image in images])


def _over_white(pixels: np.ndarray) -> np.ndarray:
    alpha = pixels[:, :, 3:].astype(np.float32) / 255.0
    return np.rint(pixels[:, :, :3] * alpha + 255.0 * (1.0 - alpha)).astype(np.uint8)


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation (1-8, CIPA DC-008 4.6.5) to a square picture."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
