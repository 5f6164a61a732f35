"""Small photographs for reports, plain or with a model's evidence over them."""

import cv2
import matplotlib
import numpy as np

from tasks.dataset import resize

PHOTO_PX, QUALITY, LARGE_QUALITY = 144, 80, 90
WARM = matplotlib.colormaps["inferno"]
OPACITY = 0.75  # where the evidence is strongest


def photo(image: np.ndarray) -> bytes:
    """A JPEG of PHOTO_PX pixels a side of a picture, uint8 RGB [size, size, 3]."""
    pixels = cv2.cvtColor(resize(image, PHOTO_PX), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def photo_in_proportion(image: np.ndarray, width: int, height: int) -> bytes:
    """A JPEG in the proportions of a file of `width` x `height` pixels, and no larger than it.

    image: that file squeezed to a square, uint8 RGB [size, size, 3]. The longer side gets `size` pixels.
    """
    scale = min(len(image) / max(width, height), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    pixels = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, LARGE_QUALITY])[1].tobytes()


def overlay_evidence(image: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """A picture turned grey, with warm colours where the evidence is strong. Both uint8 RGB [size, size, 3].

    evidence: float [height, width] from 0 to 1, of any size, as `gradcam.evidence` gives it.
    """
    size = image.shape[1::-1]
    strength = cv2.resize(evidence.astype(np.float32), size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    opacity = OPACITY * strength[..., None] ** 1.5
    grey = 0.35 * 255 + 0.5 * image.mean(axis=-1, keepdims=True)
    return ((1 - opacity) * grey + opacity * 255 * WARM(strength)[..., :3]).astype(np.uint8)
