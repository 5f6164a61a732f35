"""How far a model's probabilities can be trusted, and the temperature that corrects them."""

import numpy as np
import scipy

BINS = 15
PRIOR_DEVIATION = 0.25  # of a temperature's logarithm: two thirds of networks within 0.78 to 1.28
SIMULATIONS = 1_000
CHANCE_LEVEL = 0.95


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative logarithm of the true class's probability; one below 1e-12 counts as 1e-12."""
    of_true_class = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(of_true_class, 1e-12, 1.0)).mean())


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
    """The calibration error that a perfectly calibrated model stays below 19 times in 20.

    Even such a model has an error above 0 on a limited number of images. It is simulated: in each bin as
    many images are right as a binomial distribution with the bin's mean confidence draws.
    Source: Broecker & Smith 2007, "Increasing the Reliability of Reliability Diagrams".
    """
    curve = reliability(probabilities, labels, bins)
    confidence, images = np.clip(curve["confidence"], 0.0, 1.0), np.array(curve["images"])
    images_right = np.random.default_rng(0).binomial(images, confidence, (SIMULATIONS, len(images)))
    errors = np.abs(images_right - images * confidence).sum(1) / images.sum()
    return float(np.quantile(errors, CHANCE_LEVEL))


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> dict[str, list]:
    """Mean confidence, accuracy and number of images of every confidence bin that has images."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    bin_of_image = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    members = [bin_of_image == number for number in np.unique(bin_of_image)]
    return {
        "confidence": [float(confidence[in_bin].mean()) for in_bin in members],
        "accuracy": [float(right[in_bin].mean()) for in_bin in members],
        "images": [int(in_bin.sum()) for in_bin in members],
    }


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature in [0.05, 20] that makes these predictions likeliest.

    Source: Guo et al. 2017, as above. Unlike there, the logarithm of the temperature has a normal prior
    around 0 of PRIOR_DEVIATION: a few images with hardly a mistake would otherwise make the model all but
    certain. Some hundreds of images outweigh the prior.
    """

    def negative_log_posterior(log_temperature: float) -> float:
        scaled = scale_temperature(probabilities, np.exp(log_temperature))
        return len(labels) * log_loss(scaled, labels) + (log_temperature / PRIOR_DEVIATION) ** 2 / 2

    bounds = (np.log(0.05), np.log(20.0))
    return float(
        np.exp(scipy.optimize.minimize_scalar(negative_log_posterior, bounds=bounds, method="bounded").x)
    )


def scale_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities after their logits are divided by `temperature`: float32, same shape, same ranking."""
    logits = np.log(np.clip(probabilities.astype(np.float64), 1e-12, 1.0)) / temperature
    scaled = np.exp(logits - logits.max(1, keepdims=True))
    return (scaled / scaled.sum(1, keepdims=True)).astype(np.float32)
