"""How like the images that a model was trained on others are: what is unlike all of them gets no label."""

import functools
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tasks import storage
from tasks.dataset import Split
from tasks.networks import Head, ModelVersion, read_verified

SHARE = 0.01  # of the validation images lies below the likeness from which an image counts as unlike
FEWEST = round(1 / SHARE)  # validation images: of fewer such a share cannot be told
IMAGES = 2048  # of the training images, to learn what they are like
RIDGE = 0.05  # of the mean deviation, added to each: a feature that hardly varies would else outweigh all


@dataclass(frozen=True)
class Likeness:
    """What the likeness of an image is computed of, from what the model's head sees.

    weights [features, classes], bias [classes]: of the head. center, scale [features]: of training images.
    means [classes, features]: of each class, so centered and scaled. known [2, 2]: mean and deviation of
    energy, and those of nearness, over the validation images.

    The likeness is the sum of both, each less its mean and divided by its deviation: about 0 for images like
    those, -3 and less for others. The energy is low where no class fits, the nearness where an image is far
    from the mean of every class. Sources: Liu et al. 2020, "Energy-based Out-of-distribution Detection"; Lee
    et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples", here with a diagonal
    covariance; that features and logits see different things: Wang et al. 2022, "ViM".
    """

    weights: np.ndarray
    bias: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    means: np.ndarray
    known: np.ndarray

    def of(self, features: np.ndarray) -> np.ndarray:
        """Float32 [images] of float32 [images, features]."""
        return np.float32((self.parts_of(features) - self.known[:, 0]) / self.known[:, 1]).sum(1)

    def parts_of(self, features: np.ndarray) -> np.ndarray:
        """Energy and nearness, float [images, 2]."""
        logits = features @ self.weights + self.bias
        highest = logits.max(1)
        energy = highest + np.log(np.exp(logits - highest[:, None]).sum(1))
        scaled = (features - self.center) / self.scale
        products = scaled @ self.means.T
        squares = (scaled**2).sum(1)[:, None] - 2 * products + (self.means**2).sum(1)
        return np.stack([energy, -np.sqrt(np.maximum(squares.min(1), 0))], axis=1)


def learn_likeness(
    features: np.ndarray, labels: np.ndarray, val_features: np.ndarray, weights: np.ndarray, bias: np.ndarray
) -> Likeness:
    """From features [images, features] and labels of training images, and features of validation images."""
    center, deviation = features.mean(0), features.std(0)
    scale = deviation + RIDGE * deviation.mean() + 1e-6
    scaled = (features - center) / scale
    means = np.stack([scaled[labels == label].mean(0) for label in np.unique(labels)])
    unscaled = Likeness(weights, bias, center, scale, means, np.array([[0.0, 1.0]] * 2))
    parts = unscaled.parts_of(val_features)
    known = np.stack([parts.mean(0), parts.std(0) + 1e-6], axis=1)
    return Likeness(weights, bias, center, scale, means, known)


def rows_to_learn(train: Split) -> np.ndarray:
    """Of which of the training images their likeness is learned: IMAGES at most, of all classes."""
    by_class = np.argsort(train.labels, kind="stable")
    return by_class[np.linspace(0, len(train) - 1, min(len(train), IMAGES)).astype(int)]


def measure_likeness(
    features: np.ndarray,
    labels: np.ndarray,
    val_features: np.ndarray,
    test_features: np.ndarray,
    head: Head,
    folder_url: str,
) -> dict[str, Any]:
    """Write `likeness.npz` into a version's folder, and tell from where on an image is `unlike`.

    features, labels: of the training images `rows_to_learn`. Returns the key `likeness` of metrics.json:
    `unlike_below`, None where there are fewer than FEWEST validation images; `images`, how many;
    `test_share`, how many of the test images lie below.
    """
    images = len(val_features)
    if images < FEWEST:
        return {"unlike_below": None, "images": images, "test_share": None}
    likeness = learn_likeness(features, labels, val_features, head.weights, head.bias)
    write_likeness(likeness, storage.likeness_url(folder_url))
    unlike_below = float(np.quantile(likeness.of(val_features), SHARE))
    test_share = float(np.mean(likeness.of(test_features) < unlike_below))
    return {"unlike_below": unlike_below, "images": images, "test_share": test_share}


def write_likeness(likeness: Likeness, url: str) -> None:
    buffer = io.BytesIO()
    arrays = {name: array.astype(np.float32) for name, array in asdict(likeness).items()}
    np.savez(buffer, allow_pickle=False, **arrays)
    storage.write_bytes(url, buffer.getvalue())


def read_likeness(url: str) -> Likeness | None:
    """That of a version which is not registered yet; None of one that cannot tell."""
    return Likeness(**storage.read_arrays(url)) if storage.exists(url) else None


@functools.lru_cache(maxsize=1)
def load_likeness(model: ModelVersion) -> Likeness | None:
    """That of a version; None of one that cannot tell. A process keeps the last one.

    Raises JobError where the file's bytes are not those that were registered.
    """
    if model.unlike_below is None or not model.likeness_sha256:
        return None
    url = storage.likeness_url(model.folder_url)
    return Likeness(**storage.unpack_arrays(url, read_verified(url, model.likeness_sha256)))


def likeness_of(model: ModelVersion, features: np.ndarray | None, images: int) -> Sequence[float | None]:
    """The likeness of each of the images; None of all where the version cannot tell."""
    likeness = load_likeness(model)
    if likeness is None or features is None:
        return [None] * images
    return likeness.of(features).tolist()
