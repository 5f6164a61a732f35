"""Predicts whole splits of a dataset with a saved model."""

from collections.abc import Iterable, Sequence

import numpy as np

from tasks.dataset import Split
from tasks.networks.engines import Classifier

IMAGES_AT_ONCE = 512  # in memory


def predict_split(model_url: str, split: Split, sha256: str | None = None) -> np.ndarray:
    """Probabilities float32 [images, classes] of a split by a model.keras.

    The images must be of the size of the model. Raises JobError when the file has another sha256.
    """
    return predict_splits(model_url, [split], sha256)[0]


def predict_splits(model_url: str, splits: Sequence[Split], sha256: str | None = None) -> list[np.ndarray]:
    """Like `predict_split`, for several splits; the model is loaded once."""
    from tasks.networks.keras_engine import TensorflowClassifier, use_granted_resources

    use_granted_resources()
    classifier = TensorflowClassifier(model_url, sha256)
    return [look_at(classifier, split, np.arange(len(split)))[0] for split in splits]


def look_at(classifier: Classifier, split: Split, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a classifier's `look` gives for images of a split, which are read some hundred at a time."""
    at_once = max(IMAGES_AT_ONCE, classifier.batch)
    starts = range(0, len(rows), at_once)
    batches = (split.take(rows[start : start + at_once]) for start in starts)
    probabilities, features = zip(*map(classifier.look, batches), strict=True)
    return np.concatenate(probabilities), np.concatenate(features)


def read_features(
    model_url: str, of_splits: Iterable[tuple[Split, np.ndarray]]
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """What the head of a model.keras sees of some images of splits, and the head's weights and bias.

    of_splits: each with the rows wanted. Features are float32 [rows, features], weights [features, classes].
    """
    from tasks.networks.keras_engine import TensorflowClassifier, use_granted_resources

    use_granted_resources()
    classifier = TensorflowClassifier(model_url)

    weights, bias = classifier.model.get_layer("logits").get_weights()
    return [look_at(classifier, split, rows)[1] for split, rows in of_splits], weights, bias
