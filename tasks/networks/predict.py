"""Predicts whole splits of a dataset with a saved model."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tasks.dataset import Split
from tasks.networks.engines import Classifier

IMAGES_AT_ONCE = 512  # in memory


@dataclass(frozen=True)
class Head:
    """The last layer of a model: logits are features @ weights + bias.

    weights: float32 [features, classes]. bias: float32 [classes].
    """

    weights: np.ndarray
    bias: np.ndarray


def predict_split(model_url: str, split: Split, sha256: str | None = None) -> np.ndarray:
    """Probabilities float32 [images, classes] of a split by a model.keras.

    The images must be of the size of the model. Raises JobError when the file has another sha256.
    """
    [(probabilities, _)], _ = look_at_splits(model_url, [(split, np.arange(len(split)))], sha256)
    return probabilities


def look_at_splits(
    model_url: str, of_splits: Iterable[tuple[Split, np.ndarray]], sha256: str | None = None
) -> tuple[list[tuple[np.ndarray, np.ndarray]], Head]:
    """What `look_at` gives for some images of splits, and the head that sees their features.

    of_splits: each with the rows wanted. The model is loaded once.
    """
    from tasks.networks.keras_engine import TensorflowClassifier, use_granted_resources

    use_granted_resources()
    classifier = TensorflowClassifier(model_url, sha256)
    head = Head(*classifier.model.get_layer("logits").get_weights())
    return [look_at(classifier, split, rows) for split, rows in of_splits], head


def look_at(classifier: Classifier, split: Split, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a classifier's `look` gives for images of a split, which are read some hundred at a time.

    Probabilities float32 [images, classes], and what the head sees, float32 [images, features].
    """
    at_once = max(IMAGES_AT_ONCE, classifier.batch)
    starts = range(0, len(rows), at_once)
    batches = (split.take(rows[start : start + at_once]) for start in starts)
    probabilities, features = zip(*map(classifier.look, batches), strict=True)
    return np.concatenate(probabilities), np.concatenate(features)
