"""Scores of how well a model knows an image, by its features or its logits: higher for what it knows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.extmath import randomized_svd

from tasks.evaluation.likeness import learn_likeness

NEIGHBOURS = 10
PRINCIPAL = 512  # dimensions, as the authors of ViM have for features of 768
OURS = "ours"

Score = Callable[[np.ndarray], np.ndarray]  # of features [images, features]


@dataclass(frozen=True)
class Known:
    """What a method may learn from: features of training images, labelled, of validation images, the head."""

    features: np.ndarray
    labels: np.ndarray
    val_features: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weights + self.bias

    @cached_property
    def means(self) -> np.ndarray:
        """Of each class, float [classes, features]."""
        return np.stack([self.features[self.labels == label].mean(0) for label in np.unique(self.labels)])

    @cached_property
    def within(self) -> np.ndarray:
        """What whitens the features about the mean of their class, [features, features]."""
        return whitening(self.features - self.means[self.labels])


def ours(known: Known) -> Score:
    return learn_likeness(known.features, known.labels, known.val_features, known.weights, known.bias).of


def max_softmax(known: Known) -> Score:
    """Hendrycks & Gimpel 2017, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples"."""
    return lambda features: softmax(known.logits(features), axis=1).max(1)


def max_logit(known: Known) -> Score:
    """Hendrycks et al. 2022, "Scaling Out-of-Distribution Detection for Real-World Settings"."""
    return lambda features: known.logits(features).max(1)


def energy(known: Known) -> Score:
    """Liu et al. 2020, "Energy-based Out-of-distribution Detection"."""
    return lambda features: logsumexp(known.logits(features), axis=1)


def mahalanobis(known: Known) -> Score:
    """Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples".

    One covariance of all classes, shrunk as by Ledoit & Wolf 2004, for there are more features than images.
    """
    means = known.means @ known.within
    return lambda features: -squared_distances(features @ known.within, means).min(1)


def nearest_neighbours(known: Known) -> Score:
    """Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors"."""
    index = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(of_length_one(known.features))
    return lambda features: -index.kneighbors(of_length_one(features))[0][:, -1]


def vim(known: Known) -> Score:
    """Wang et al. 2022, "ViM: Out-Of-Distribution with Virtual-logit Matching"."""
    origin = -np.linalg.pinv(known.weights.T) @ known.bias
    principal = randomized_svd(known.features - origin, PRINCIPAL, random_state=0)[2].T

    def residual(features: np.ndarray) -> np.ndarray:
        centered = features - origin
        squares = (centered**2).sum(1) - ((centered @ principal) ** 2).sum(1)
        return np.sqrt(np.maximum(squares, 0))

    scale = known.logits(known.features).max(1).sum() / residual(known.features).sum()
    return lambda features: logsumexp(known.logits(features), axis=1) - scale * residual(features)


def whitening(residuals: np.ndarray) -> np.ndarray:
    """What makes squared distances those of Mahalanobis, by a shrunk covariance; [features, features]."""
    covariance = LedoitWolf(assume_centered=True, store_precision=False).fit(residuals).covariance_
    return np.float32(np.linalg.inv(np.linalg.cholesky(covariance)).T)


def squared_distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float [points, others]."""
    return np.asarray((points**2).sum(1)[:, None] - 2 * points @ others.T + (others**2).sum(1))


def of_length_one(features: np.ndarray) -> np.ndarray:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


METHODS: dict[str, Callable[[Known], Score]] = {
    OURS: ours,
    "softmax": max_softmax,
    "max logit": max_logit,
    "energy": energy,
    "Mahalanobis": mahalanobis,
    "neighbours": nearest_neighbours,
    "ViM": vim,
}
