"""From whatever samples a file holds to 8-bit RGB of the wanted size."""

import cv2
import numpy as np

from tasks.pictures.outcome import UNSUPPORTED, ImageError

UNUSED_RANGE = 1 << 14
ROWS_AT_ONCE = 64  # so that a large picture takes little more memory than itself


def eight_bits(samples: np.ndarray) -> np.ndarray:
    """16-bit samples as 8 bits. Raises ImageError as `check_range` does."""
    if samples.dtype != np.uint16:
        return samples
    largest = int(samples.max() if samples.ndim == 2 else samples[:, :, :3].max())  # alpha has its full range
    if largest < UNUSED_RANGE and (samples % 257).any() and (samples % 256).any():  # not made from 8 bits
        check_range(largest)
    return (samples >> 8).astype(np.uint8)


def check_range(largest: int) -> None:
    """Raise ImageError where no 16-bit sample is above a quarter of the range.

    Such a file holds 10, 12 or 14 bits in 16, as scientific cameras write them, and nothing says how bright
    its brightest sample is.
    """
    if largest < UNUSED_RANGE:
        raise ImageError(
            UNSUPPORTED,
            f"16 bits a sample, all below {UNUSED_RANGE:,}: the range of its brightness is not stated, "
            "which is not supported",
        )


def rgb(pixels: np.ndarray) -> np.ndarray:
    """OpenCV's grey, BGR or BGRA, uint8, as RGB or RGBA."""
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def over_white(pixels: np.ndarray) -> np.ndarray:
    """RGBA laid over white, as RGB; RGB as it is.

    Before resizing: afterwards the hidden colour of transparent pixels would fringe their neighbours.
    """
    if pixels.shape[2] == 3:
        return pixels
    out = np.empty((*pixels.shape[:2], 3), np.uint8)
    for top in range(0, len(pixels), ROWS_AT_ONCE):
        rows = slice(top, top + ROWS_AT_ONCE)
        shares = cv2.merge([pixels[rows, :, 3]] * 3)
        colours = cv2.cvtColor(pixels[rows], cv2.COLOR_RGBA2RGB)
        out[rows] = cv2.add(cv2.multiply(colours, shares, scale=1 / 255), cv2.bitwise_not(shares))
    return out


def resize(pixels: np.ndarray, width_px: int, height_px: int | None = None) -> np.ndarray:
    """A picture at another size, by default a square: averages areas, but interpolates to enlarge a side."""
    height, width = pixels.shape[:2]
    wanted = width_px, height_px or width_px
    if (width, height) == wanted:
        return pixels
    shrinks = width >= wanted[0] and height >= wanted[1]
    return cv2.resize(pixels, wanted, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def resize_all(images: np.ndarray, size_px: int) -> np.ndarray:
    """Images uint8 [n, size, size, 3] at another size; `images` itself where they have that size."""
    if images.shape[1] == size_px:
        return images
    return np.stack([resize(image, size_px) for image in images])
