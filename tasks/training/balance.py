"""Rare classes count for more in training: by weights in the loss, or by being drawn more often."""

import numpy as np

from tasks.parameters import UNEVEN, Balance
from tasks.training.batches import shuffled


def is_uneven(labels: np.ndarray) -> bool:
    """Whether the largest class has UNEVEN times as many images as the smallest. labels: int [images]."""
    counts = np.bincount(labels)
    return bool(counts.max() >= UNEVEN * counts[counts > 0].min())


def class_weights(labels: np.ndarray, balance: Balance) -> np.ndarray | None:
    """What an image of each class counts for in the loss, float32 [classes]; None where all count alike.

    One over the number of images of its class, scaled to a mean of 1 over the images. Source: King & Zeng
    2001, "Logistic Regression in Rare Events Data". (On real scenes cut down to 1 in 50 the effective
    numbers of Cui et al. 2019, with beta 0.999, and square roots gained less macro recall on validation.)
    """
    if balance != "loss" or not is_uneven(labels):
        return None
    counts = np.bincount(labels)
    weights = 1 / np.maximum(counts, 1)
    return (weights / weights[labels].mean()).astype(np.float32)


def epoch_order(labels: np.ndarray, balance: Balance, seed: int, epoch: int) -> np.ndarray:
    """Which images an epoch trains on, in order, int [images]: each once, or as many of each class.

    Of a class with too few images each is drawn again and again, of one with too many some are left for
    another epoch. Source: Buda et al. 2018, "A systematic study of the class imbalance problem in
    convolutional neural networks" (oversampling; an epoch stays as long as it is).
    """
    if balance != "sample" or not is_uneven(labels):
        return shuffled(len(labels), seed, epoch)
    random = np.random.default_rng([seed, epoch])
    present = np.unique(labels)
    quotas = np.diff(np.linspace(0, len(labels), len(present) + 1).astype(int))
    drawn = []
    for label, quota in zip(present, quotas, strict=True):
        rows = np.flatnonzero(labels == label)
        walks = -(-quota // len(rows))
        drawn.append(np.concatenate([random.permutation(rows) for _ in range(walks)])[:quota])
    return random.permutation(np.concatenate(drawn))
