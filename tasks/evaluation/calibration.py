"""How far a model's probabilities can be taken at their word, and the temperature that mends them."""

import numpy as np
from scipy.optimize import minimize_scalar

BINS = 15
PRIOR_DEVIATION = 0.25  # of a temperature's logarithm: two thirds of networks within 0.78 to 1.28
DRAWS, CHANCE = 1_000, 0.95


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(chosen, 1e-12, 1.0)).mean())


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Squared distance from the truth summed over the classes: 0 is perfect, 2 the worst.

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".
    """
    truth = np.eye(probabilities.shape[1])[labels]
    return float(np.square(probabilities - truth).sum(1).mean())


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Gap between confidence and accuracy, averaged over equal-width confidence bins.

    probabilities: float [images, classes], rows sum to 1. labels: int [images].
    Returns a share in [0, 1]. Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    curve = reliability(probabilities, labels, bins)
    gaps = np.abs(np.subtract(curve["confidence"], curve["accuracy"]))
    return float(np.average(gaps, weights=curve["images"]))


def calibration_error_of_chance(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """What the calibration error stays below 19 times in 20 where a model is right as often as it says.

    Few images never agree with their confidence exactly, so the error of a perfect model is not 0 either.
    Source: Broecker & Smith 2007, "Increasing the Reliability of Reliability Diagrams".
    """
    curve = reliability(probabilities, labels, bins)
    confidence, images = np.clip(curve["confidence"], 0.0, 1.0), np.array(curve["images"])
    right = np.random.default_rng(0).binomial(images, confidence, (DRAWS, len(images)))
    errors = np.abs(right - images * confidence).sum(1) / images.sum()
    return float(np.quantile(errors, CHANCE))


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> dict[str, list]:
    """Mean confidence, accuracy and number of images of every confidence bin that has images."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    used = np.unique(places)
    return {
        "confidence": [float(confidence[places == place].mean()) for place in used],
        "accuracy": [float(right[places == place].mean()) for place in used],
        "images": [int((places == place).sum()) for place in used],
    }


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature in [0.05, 20] of least log loss. Source: Guo et al. 2017, as above.

    Few images with hardly a mistake among them would call for certainty. So its logarithm is held to be
    normal around 0 with PRIOR_DEVIATION before they are seen; some hundreds of images outweigh that.
    """

    def surprise(exponent: float) -> float:
        scaled = scale_temperature(probabilities, np.exp(exponent))
        return len(labels) * log_loss(scaled, labels) + (exponent / PRIOR_DEVIATION) ** 2 / 2

    found = minimize_scalar(surprise, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def scale_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities whose logits are divided by `temperature`; the ranking of classes stays."""
    logits = np.log(np.clip(probabilities.astype(np.float64), 1e-12, 1.0)) / temperature
    scaled = np.exp(logits - logits.max(1, keepdims=True))
    return (scaled / scaled.sum(1, keepdims=True)).astype(np.float32)
