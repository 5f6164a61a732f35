"""How a picture becomes a square: squeezed to one, padded with grey around it, or cropped to its middle."""

from typing import Literal, get_args

import numpy as np

from tasks.pictures.colours import resize

Fit = Literal["squeeze", "pad", "crop"]  # as in `tasks.parameters`, which a helper does not import
FITS: tuple[Fit, ...] = get_args(Fit)
GREY = 128  # around a padded picture: the middle of what networks see


def scale(pixels: np.ndarray, size_px: int, fit: Fit) -> np.ndarray:
    """A picture scaled to a square of `size_px` or, where it is padded, to what fits into one."""
    height, width = pixels.shape[:2]
    if fit == "crop" and height != width:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return resize(pixels[top : top + side, left : left + side], size_px)
    if fit == "pad" and height != width:
        scale = size_px / max(height, width)
        return resize(pixels, max(round(width * scale), 1), max(round(height * scale), 1))
    return resize(pixels, size_px)


def on_square(pixels: np.ndarray, size_px: int) -> np.ndarray:
    """A picture in the middle of a grey square; one that fills it is returned as it is."""
    height, width = pixels.shape[:2]
    if (width, height) == (size_px, size_px):
        return pixels
    top, left = (size_px - height) // 2, (size_px - width) // 2
    out = np.full((size_px, size_px, 3), GREY, np.uint8)
    out[top : top + height, left : left + width] = pixels
    return out
