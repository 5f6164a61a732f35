"""Predicts whole splits of a dataset with a saved model."""

from collections.abc import Iterable, Sequence

import numpy as np

from tasks.dataset import Split

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

    def predict(split: Split) -> np.ndarray:
        starts = range(0, len(split), IMAGES_AT_ONCE)
        batches = (split.take(np.arange(start, min(start + IMAGES_AT_ONCE, len(split)))) for start in starts)
        return np.concatenate([classifier.predict(batch) for batch in batches])

    return [predict(split) for split in splits]


def read_features(
    model_url: str, of_splits: Iterable[tuple[Split, np.ndarray]]
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """What the head of a model.keras sees of some images of splits, and the head's weights and bias.

    of_splits: each with the rows wanted. Features are float32 [rows, features], weights [features, classes].
    """
    from tasks.networks.keras_engine import TensorflowClassifier, use_granted_resources

    use_granted_resources()
    classifier = TensorflowClassifier(model_url)

    def look(split: Split, rows: np.ndarray) -> np.ndarray:
        starts = range(0, len(rows), IMAGES_AT_ONCE)
        batches = (split.take(rows[start : start + IMAGES_AT_ONCE]) for start in starts)
        return np.concatenate([classifier.look(batch)[1] for batch in batches])

    weights, bias = classifier.model.get_layer("logits").get_weights()
    return [look(split, rows) for split, rows in of_splits], weights, bias
