"""Predicts whole splits of a dataset with a saved model."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tasks import storage
from tasks.dataset import Split
from tasks.networks.archive import read_model_file
from tasks.networks.engines import Classifier, OnnxClassifier, load_classifier
from tasks.networks.threads import has_granted_gpu
from tasks.networks.version import ModelVersion

IMAGES_AT_ONCE = 512  # in memory


@dataclass(frozen=True)
class Head:
    """The last layer of a model: logits are features @ weights + bias.

    weights: float32 [features, classes]. bias: float32 [classes].
    """

    weights: np.ndarray
    bias: np.ndarray


def predict_split(version: ModelVersion, split: Split) -> np.ndarray:
    """Probabilities float32 [images, classes] of a split, by the engine that classifies with a version.

    The images must be of its size. Raises JobError when the model's bytes are not those that were registered.
    """
    classifier = load_classifier(version)
    return np.concatenate(list(map(classifier.predict, batches_of(split, np.arange(len(split)), classifier))))


def look_at_splits(
    folder_url: str, of_splits: Iterable[tuple[Split, np.ndarray]]
) -> tuple[list[tuple[np.ndarray, np.ndarray]], Head]:
    """What `look_at` gives for some images of splits, and the head that sees their features.

    folder_url: of a version that need not be registered yet: on CPUs its model.onnx looks, where it has one,
    as it will classify. of_splits: each with the rows wanted.
    """
    from tasks.networks.keras_engine import TensorflowClassifier

    by_tensorflow = TensorflowClassifier(storage.model_url(folder_url))
    head = Head(*by_tensorflow.model.get_layer("logits").get_weights())
    classifier: Classifier = by_tensorflow
    onnx_url = storage.onnx_url(folder_url)
    if storage.exists(onnx_url) and not has_granted_gpu():
        classifier = OnnxClassifier(read_model_file(onnx_url))
    return [look_at(classifier, split, rows) for split, rows in of_splits], head


def look_at(classifier: Classifier, split: Split, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a classifier's `look` gives for images of a split, which are read some hundred at a time.

    Probabilities float32 [images, classes], and what the head sees, float32 [images, features].
    """
    looks = map(classifier.look, batches_of(split, rows, classifier))
    probabilities, features = zip(*looks, strict=True)
    return np.concatenate(probabilities), np.concatenate(features)


def batches_of(split: Split, rows: np.ndarray, classifier: Classifier) -> Iterator[np.ndarray]:
    """Images of a split as uint8 [n, size_px, size_px, 3], some hundred at a time, read when asked for."""
    at_once = max(IMAGES_AT_ONCE, classifier.batch)
    return (split.take(rows[start : start + at_once]) for start in range(0, len(rows), at_once))
