"""What a saved model says of whole splits of a dataset."""

from collections.abc import Sequence

import numpy as np

from tasks.dataset import Split, resize_all

READ_AT_ONCE = 512  # images


def predict_split(uri: str, split: Split, sha256: str | None = None) -> np.ndarray:
    """Probabilities float32 [images, classes] of a whole split by the model at `uri`, its bytes checked.

    A model of another image size gets the images resized to its own.
    """
    return predict_splits(uri, [split], sha256)[0]


def predict_splits(uri: str, splits: Sequence[Split], sha256: str | None = None) -> list[np.ndarray]:
    """The same of several splits, the model loaded once."""
    from tasks.networks.keras_engine import TensorflowClassifier, use_what_was_granted

    use_what_was_granted()
    classifier = TensorflowClassifier(uri, sha256)

    def of_split(split: Split) -> np.ndarray:
        starts = range(0, len(split), READ_AT_ONCE)
        batches = (split.take(np.arange(start, min(start + READ_AT_ONCE, len(split)))) for start in starts)
        return np.concatenate(
            [classifier.predict(resize_all(batch, classifier.size_px)) for batch in batches]
        )

    return [of_split(split) for split in splits]
