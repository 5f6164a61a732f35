"""Predictions drawn by chance, for tests of what is computed from them."""

import numpy as np
from scipy.special import softmax


def predictions(
    rows: int = 4000, classes: int = 4, temperature: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that are right as often as they say when temperature is 1."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (rows, classes))
    calibrated = softmax(logits, 1)
    labels = np.array([random.choice(classes, p=row) for row in calibrated])
    return labels, softmax(logits / temperature, 1).astype(np.float32)
