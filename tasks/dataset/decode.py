"""Decodes image files to RGB uint8 and refuses broken ones; training and classification both use it."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from tasks.storage import FileEntry, read_ahead

DECODER_VERSION = 1  # raise when `decode_image` gives other pixels: decoded parts are then not reused

MAX_PIXELS = 2 * 89_478_485  # Pillow's own limit, against decompression bombs
MAX_BYTES = 200_000_000
ORIENTATION_TAG = 0x0112
UNREADABLE = "unreadable"  # the storage failed, not the image: the only status that another try may change
DECODABLE = {"JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF"}
WITH_ALPHA = {"RGBA", "LA", "PA", "RGBa", "La"}
START_OF_JPEG, END_OF_JPEG, EXIF = b"\xff\xd8\xff", b"\xff\xd9", b"Exif\0\0"
END_OF_PNG = b"IEND\xaeB\x60\x82"

# One thread per image: images are decoded in parallel, on the cores that Ray grants a task.
cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class ImageError(ValueError):
    """An image that cannot be used.

    status: corrupt, too_large, unsupported or unreadable. reason: a few words for the user.
    """

    def __init__(self, status: str, reason: str):
        super().__init__(status, reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class DecodedImage:
    """A picture as models see it, uint8 [size_px, size_px, 3], and the size at which a viewer shows the file.

    Both are turned upright by the file's EXIF orientation.
    """

    pixels: np.ndarray
    width: int
    height: int


@dataclass(frozen=True)
class Header:
    """What is known of an image file before its pixels are decoded; orientation is EXIF's, 1 to 8."""

    format: str
    width: int
    height: int
    orientation: int
    alpha: bool


def read_images(images_url: str, files: Sequence[FileEntry]) -> Iterator[bytes | ImageError]:
    """Yield the bytes of each file, in order, or an ImageError; files over MAX_BYTES are not read."""
    contents = read_ahead(images_url, [file for file in files if file.bytes <= MAX_BYTES])
    for file in files:
        content = _too_large(file.bytes) if file.bytes > MAX_BYTES else next(contents)
        yield ImageError(UNREADABLE, str(content)) if isinstance(content, OSError) else content


def _too_large(size: int) -> ImageError:
    return ImageError("too_large", f"{size:,} bytes, the limit is {MAX_BYTES:,}")


def decode_image(data: bytes, size_px: int) -> DecodedImage:
    """Decode one image file to RGB uint8 [size_px, size_px, 3]; its sides are squeezed to a square.

    The EXIF orientation is applied. Grey, palette, CMYK and 16-bit images become 8-bit RGB, and transparent
    ones are laid over white.

    Raises ImageError: too_large (before anything is decoded), unsupported (not an image, or of another
    format), or corrupt. A truncated file is corrupt too, never a picture with a grey lower half.
    """
    header = read_header(data)
    pixels = resize(_decode_pixels(data, header, size_px), size_px)
    if header.alpha:
        pixels = _over_white(pixels)
    upright = np.ascontiguousarray(_turn(pixels, header.orientation))
    width, height = header.width, header.height
    if header.orientation >= 5:
        width, height = height, width
    return DecodedImage(upright, width, height)


def read_header(data: bytes) -> Header:
    """Read format, size and orientation without decoding. Raises ImageError as `decode_image` does."""
    if not data:
        raise ImageError("corrupt", "the file is empty")
    if len(data) > MAX_BYTES:
        raise _too_large(len(data))
    return header_of_plain_jpeg(data) or header_by_pillow(data)


def header_of_plain_jpeg(data: bytes) -> Header | None:
    """The header of a JPEG without EXIF, read several times faster than Pillow does.

    None for any other file, and for a broken or too large one, so that Pillow names what is wrong with it.
    """
    if not data.startswith(START_OF_JPEG) or EXIF in data:
        return None
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except Exception:  # of any kind, for broken headers
        return None
    return Header("JPEG", width, height, 1, False) if width * height <= MAX_PIXELS else None


def header_by_pillow(data: bytes) -> Header:
    """The header of any image file. Raises ImageError as `decode_image` does."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            alpha = image.mode in WITH_ALPHA or "transparency" in image.info
            format = image.format or ""
            orientation = image.getexif().get(ORIENTATION_TAG, 1) if _has_exif(image) else 1
    except UnidentifiedImageError:
        raise ImageError("unsupported", "not an image file") from None
    except Image.DecompressionBombError:
        raise ImageError("too_large", f"over {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # Pillow's readers raise errors of many kinds for malformed headers
        raise ImageError("corrupt", f"unreadable header: {error}") from error
    if format not in DECODABLE:
        raise ImageError("unsupported", f"{format} images are not supported")
    if width * height > MAX_PIXELS:
        raise ImageError("too_large", f"{width}x{height} pixels, the limit is {MAX_PIXELS:,}")
    return Header(format, width, height, orientation if orientation in range(1, 9) else 1, alpha)


def _has_exif(image: Image.Image) -> bool:
    """Whether `getexif` may find something. It also searches XMP, which costs half as much as decoding."""
    return "exif" in image.info or image.format == "TIFF"


def _decode_pixels(data: bytes, header: Header, size_px: int) -> np.ndarray:
    """Decode to RGB, or RGBA with alpha: uint8 [height, width, channels], orientation not yet applied.

    A JPEG may come out smaller than it is, but not smaller than `size_px`.
    """
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
    if pixels.shape[2] != 4:  # OpenCV drops the alpha of a PNG that names one colour as transparent
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGBA"))
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)


def _check_complete(data: bytes, header: Header) -> None:
    """Raise ImageError for a truncated JPEG or PNG: OpenCV would fill the missing rows with grey.

    A file that ends in its end marker is complete. Some cameras append bytes of their own, so any other
    file is decoded once by Pillow, which raises where data are missing.
    """
    ending = {"JPEG": END_OF_JPEG, "PNG": END_OF_PNG}.get(header.format)
    if ending is None or data.endswith(ending):
        return
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except Exception as error:  # of many kinds, as for the header; the file is to blame for all
        raise ImageError("corrupt", f"truncated: {error}") from error


def _jpeg_scale(header: Header, size_px: int) -> int:
    """OpenCV's flag for the strongest scaling while decoding that leaves `size_px` on both sides, else 0."""
    if header.format in {"JPEG", "MPO"}:
        shorter = min(header.width, header.height)
        for factor, flag in (
            (8, cv2.IMREAD_REDUCED_COLOR_8),
            (4, cv2.IMREAD_REDUCED_COLOR_4),
            (2, cv2.IMREAD_REDUCED_COLOR_2),
        ):
            if shorter >= factor * size_px:
                return flag & ~cv2.IMREAD_COLOR  # that bit would ask for BGR
    return 0


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Decoded pixels of 16 bits or float (0 to 1) as uint8, and grey ones as RGB."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        pixels = np.clip(pixels * 255.0, 0, 255).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    return pixels


def resize(pixels: np.ndarray, size_px: int) -> np.ndarray:
    """A picture as a square: averages areas to shrink it, interpolates linearly to enlarge either side."""
    height, width = pixels.shape[:2]
    if (width, height) == (size_px, size_px):
        return pixels
    shrinks = width >= size_px and height >= size_px
    return cv2.resize(
        pixels, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def resize_all(images: np.ndarray, size_px: int) -> np.ndarray:
    """Images uint8 [n, size, size, 3] at another size; `images` itself where they have that size."""
    if images.shape[1] == size_px:
        return images
    return np.stack([resize(image, size_px) for image in images])


def _over_white(pixels: np.ndarray) -> np.ndarray:
    """RGBA laid over white, as RGB."""
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
