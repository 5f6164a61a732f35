"""What a simple model that never saw an image says of it: a linear head on features, fold by fold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

FOLDS = 5
FEWEST = 2 * FOLDS  # images of a class that are judged, FOLDS of them no copies of one another
MOST_TRAINED = 20_000  # images that the model of a fold is trained on
STRENGTH, TOLERANCE, ROUNDS = 1e-3, 1e-2, 100  # of the logistic regression; chosen by planted label errors
PREDICTED_AT_ONCE = 4_096


class FeatureReader(Protocol):
    """Features of images by their numbers: float32 [len(images), features]."""

    def take(self, images: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Beliefs:
    """What models that never saw an image believe of it, for all images of a dataset.

    names: of the classes. labels: int [images], numbers in `names`. is_learned: of which images the models
    of other folds learned, bool [images]. is_judged: whose class is large enough, bool [images].
    probabilities: float32 [images, classes].
    """

    names: np.ndarray
    labels: np.ndarray
    is_learned: np.ndarray
    is_judged: np.ndarray
    probabilities: np.ndarray

    @property
    def right(self) -> np.ndarray:
        return self.probabilities.argmax(1) == self.labels


def believe(rows: Sequence[dict], features: FeatureReader) -> Beliefs | None:
    """What is believed of usable images by others; None without two classes that are large enough.

    rows: label, split, sha256 and group of usable images. Those of test are judged too, but nothing is
    learned from them. Classes with fewer than FEWEST images outside the test split, or fewer than FOLDS of
    them that are no copies of one another, are left alone.
    """
    names, labels = np.unique([row["label"] for row in rows], return_inverse=True)
    is_learned = np.array([row["split"] != "test" for row in rows], bool)
    group = np.array([row["group"] for row in rows], np.int64)
    class_of_picture = np.unique(np.stack([labels, group])[:, is_learned], axis=1)[0]
    images, pictures = (
        np.bincount(classes, minlength=len(names)) for classes in (labels[is_learned], class_of_picture)
    )
    is_large_enough = (images >= FEWEST) & (pictures >= FOLDS)
    if is_large_enough.sum() < 2:
        return None
    is_judged = is_large_enough[labels]
    is_learned &= is_judged
    probabilities = out_of_fold(features, labels, deal(rows, labels), is_learned)
    return Beliefs(names, labels, is_learned, is_judged, probabilities)


def deal(rows: Sequence[dict], labels: np.ndarray) -> np.ndarray:
    """A fold for each image, int [images]: each class dealt evenly over the folds, by hash of content.

    Copies and near copies go to one fold, since they would vouch for one another's labels.
    """
    hashes = np.array([row["sha256"] for row in rows])
    _, first, group = np.unique([row["group"] for row in rows], return_index=True, return_inverse=True)
    order = np.lexsort((hashes[first], labels[first]))
    sorted_labels = labels[first][order]
    folds = np.empty(len(first), np.int64)
    folds[order] = (np.arange(len(first)) - np.searchsorted(sorted_labels, sorted_labels)) % FOLDS
    return folds[group]


def out_of_fold(
    features: FeatureReader, labels: np.ndarray, folds: np.ndarray, is_learned: np.ndarray
) -> np.ndarray:
    """Probabilities float32 [images, classes] by models that never saw the image or a copy of it.

    is_learned: the images that may be learned from, bool [images]; of many, a balanced MOST_TRAINED. A class
    that a fold's model never saw has probability 0, as all have in a fold whose training images are of one
    class.
    """
    random = np.random.default_rng(0)
    probabilities = np.zeros((len(labels), labels.max() + 1), np.float32)
    for fold in range(FOLDS):
        images = balanced(random.permutation(np.flatnonzero(is_learned & (folds != fold))), labels)
        if len(np.unique(labels[images])) < 2:
            continue
        model = fit(features.take(images), labels[images])
        for chunk in _chunks(np.flatnonzero(folds == fold)):
            probabilities[np.ix_(chunk, model.classes_)] = model.predict_proba(features.take(chunk))
    return probabilities


def fit(features: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=STRENGTH, tol=TOLERANCE, max_iter=ROUNDS)
    return make_pipeline(StandardScaler(), regression).fit(features, labels)


def balanced(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """At most MOST_TRAINED of some images, taking from each class in turn while it lasts."""
    order = np.argsort(labels[images], kind="stable")
    sorted_labels = labels[images][order]
    turn = np.empty(len(images), np.int64)
    turn[order] = np.arange(len(images)) - np.searchsorted(sorted_labels, sorted_labels)
    return images[np.argsort(turn, kind="stable")[:MOST_TRAINED]]


def _chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), PREDICTED_AT_ONCE):
        yield images[start : start + PREDICTED_AT_ONCE]
