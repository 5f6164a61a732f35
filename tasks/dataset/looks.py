"""Measures how a picture looks: brightness, sharpness, colourfulness, perceptual hash and thumbnail."""

import hashlib

import cv2
import numpy as np

from tasks.pictures import resize

HASHED_PX, THUMBNAIL_PX = 32, 16


def measure_looks(grey: np.ndarray) -> dict[str, float]:
    """`brightness` and `sharpness` of a grey picture, uint8 [height, width]."""
    return {"brightness": brightness(grey), "sharpness": sharpness(grey)}


def brightness(grey: np.ndarray) -> float:
    """Mean of a grey picture, uint8 [height, width]: 0 is black, 1 white."""
    return cv2.mean(grey)[0] / 255.0


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian of a grey picture, uint8 [height, width]; 0 is flat, higher is sharper.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    edges = cv2.Laplacian(grey, cv2.CV_16S)
    mean, square = cv2.sumElems(edges)[0] / edges.size, cv2.norm(edges, cv2.NORM_L2SQR) / edges.size
    return square - mean**2  # three times as fast as cv2.meanStdDev, and equal to about the last digit


def colourfulness(pixels: np.ndarray) -> float:
    """How colourful a picture is, uint8 RGB [height, width, 3]: 0 is grey, 15 slightly, 109 extremely.

    Measured on every fourth pixel of every fourth row. Source: Hasler and Suesstrunk 2003, "Measuring
    Colourfulness in Natural Images".
    """
    red, green, blue = cv2.split(pixels[::4, ::4].astype(np.float32))
    opponents = cv2.merge([red - green, (red + green) / 2 - blue])
    means, deviations = cv2.meanStdDev(opponents)
    return float(np.hypot(*deviations.ravel()) + 0.3 * np.hypot(*means.ravel()))


def describe_picture(pixels: np.ndarray) -> dict:
    """The columns of the side-car that describe a decoded picture, uint8 RGB [size, size, 3]."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = resize(grey, HASHED_PX)
    return {
        "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "perceptual_hash": perceptual_hash(small),
        **measure_looks(grey),
        "colourfulness": colourfulness(pixels),
        "thumbnail": resize(small, THUMBNAIL_PX).tobytes(),
    }


def perceptual_hash(small: np.ndarray) -> int:
    """64-bit pHash of a grey picture, uint8 [HASHED_PX, HASHED_PX].

    Each bit says whether one of the lowest 8x8 terms of its DCT is above their median. Source: Zauner
    2010, "Implementation and Benchmarking of Perceptual Image Hash Functions".
    """
    low = cv2.dct(small.astype(np.float32))[:8, :8].ravel()
    return int.from_bytes(np.packbits(low > np.partition(low, 31)[31]).tobytes(), "big")
