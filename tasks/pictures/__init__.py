"""Pictures: from the bytes of an image file to checked RGB, or to an error that says why not."""

from tasks.pictures.captured import captured_at
from tasks.pictures.colours import resize, resize_all
from tasks.pictures.decode import DECODER_VERSION, decode_image, open_picture
from tasks.pictures.kinds import format_of
from tasks.pictures.outcome import MAX_BYTES, UNREADABLE, DecodedImage, ImageError, too_many_bytes

__all__ = [
    "DECODER_VERSION",
    "MAX_BYTES",
    "UNREADABLE",
    "DecodedImage",
    "ImageError",
    "captured_at",
    "decode_image",
    "format_of",
    "open_picture",
    "resize",
    "resize_all",
    "too_many_bytes",
]
