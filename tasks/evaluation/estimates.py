"""How right a model is on images nobody has labelled, and how many of each class they really are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

LEVEL = 0.95
STEPS = 500  # of expectation maximisation at most
CLOSE = 1e-6  # a step that moves no share by more ends it
SIMULATIONS, SIMULATED_RATES = 200, 2e8  # the second bounds the first for more than 1,000 classes
LOOKS = ("brightness", "sharpness")  # how images look, whatever the model says of them


def confidence_gap(confidence: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """How far the confidences were off on the test images: `gap`, accuracy minus mean confidence.

    confidence: calibrated, of the predicted class, float [images]. right: bool [images]. `gap_variance` is
    that of the gap's error, with one image right and one wrong added: no model is without mistakes.
    """
    residuals = right - confidence.astype(np.float64)
    gap, mean = residuals.mean(), confidence.mean()
    squares = np.square(residuals - gap).sum() + (1 - mean - gap) ** 2 + (mean + gap) ** 2
    return {"gap": float(gap), "gap_variance": float(squares / (len(residuals) + 2) ** 2)}


def expected_accuracy(
    images: int, confidence: float, variance: float, of_test: Mapping[str, Any]
) -> dict[str, float]:
    """The share of unlabelled images that a model is right on, with its 95 % interval `low` to `high`.

    images: at least one. confidence, variance: the sums over them of the calibrated confidence c of the
    predicted class, and of c (1 - c). of_test: a `confidence_gap`.

    Confidence-based performance estimation: the mean confidence, moved by how far it was off on the test
    images. The interval holds how the truth falls at these confidences (Poisson binomial) and how well the
    test images tell `gap`. It holds where a confidence means the same here as there, not under drift.
    Sources: Guillory et al. 2021, "Predicting with Confidence on Unseen Distributions" (difference of
    confidences); NannyML, "Confidence-based Performance Estimation".
    """
    accuracy = confidence / images + of_test["gap"]
    half = scipy.special.ndtri((1 + LEVEL) / 2) * np.sqrt(variance / images**2 + of_test["gap_variance"])
    low, middle, high = (float(np.clip(accuracy + side * half, 0, 1)) for side in (-1, 0, 1))
    return {"accuracy": middle, "low": low, "high": high}


def expected_counts(counts: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """How many images of each class there are, by how many were taken for each: float [3, classes].

    counts: int [predicted class]. confusion: int [true class, predicted class], on test images. Returns the
    likeliest numbers, and the lower and the upper ends of their 95 % intervals.

    Right where images of a class are taken for others as often as in the test: how many there are of each
    class may differ from there, how they look may not. Sources: Forman 2008, "Quantifying counts and costs
    via classification" (adjusted counts); Saerens et al. 2002, "Adjusting the outputs of a classifier to new
    a priori probabilities" (expectation maximisation, here on the counts). The intervals are a parametric
    bootstrap over both samples: which images the test has, and how these were taken.
    """
    rates, images = confusion_rates(confusion), int(counts.sum())
    likeliest = images * likeliest_shares(counts[None], rates)[0]
    random = np.random.default_rng(0)
    truth = np.diff(np.rint(np.cumsum(likeliest)), prepend=0).astype(int)
    pseudo_counts = rates * (confusion.sum(1, keepdims=True) + 1)
    simulations = int(min(SIMULATIONS, SIMULATED_RATES / rates.size))
    simulated = np.zeros((max(simulations, 1), len(counts)), int)
    for number in np.flatnonzero(truth):
        likely_rates = random.dirichlet(pseudo_counts[number], len(simulated))
        simulated += random.multinomial(truth[number], likely_rates)
    shares = likeliest_shares(simulated, rates)
    errors = np.quantile(np.abs(shares * truth.sum() - truth), LEVEL, axis=0)
    return np.clip([likeliest, likeliest - errors, likeliest + errors], 0, images)


def confusion_rates(confusion: np.ndarray) -> np.ndarray:
    """The probability of each predicted class for images of each true one: float [true, predicted].

    Each class has one image added that is as often right as all test images are, so that a class with few
    test images has no rate of 0.
    """
    classes, right = len(confusion), np.trace(confusion)
    accuracy = (right + 1) / (confusion.sum() + 2)
    others = (1 - accuracy) / max(classes - 1, 1)
    one_image = np.where(np.eye(classes, dtype=bool), accuracy, others)
    return (confusion + one_image) / (confusion + one_image).sum(1, keepdims=True)


def likeliest_shares(counts: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The shares of the true classes that make counts of predicted ones likeliest, float [samples, classes].

    counts: int [samples, predicted class], one or more in each sample. rates: as `confusion_rates`.
    """
    observed = counts / counts.sum(1, keepdims=True)
    shares = np.full(observed.shape, 1 / observed.shape[1])
    least = rates.min(1)  # of many classes most are never taken for one another: what is above this is sparse
    above = scipy.sparse.csr_array(rates - least[:, None])
    for _ in range(STEPS):
        before = shares
        factors = observed / (shares @ above + (shares @ least)[:, None])
        shares = shares * (factors @ above.T + np.outer(factors.sum(1), least))
        if np.abs(shares - before).max() < CLOSE:
            break
    return shares


def estimate(
    counts: Mapping[str, int],
    confidence: float,
    variance: float,
    of_test: Mapping[str, Any] | None,
    drift: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """`expected` of a summary.json: `accuracy` and `classes` with intervals, what to think of it in `words`.

    counts: images taken for each class, in the model's order. confidence, variance: see
    `expected_accuracy`. of_test: the `yardstick` of a model.json: `confidence_gap` and `confusion`; None
    where it has none. drift: as `drift.compare` gives it. Where nothing can be told, `accuracy` is None.
    """
    images = sum(counts.values())
    if not of_test or not images:
        why = (
            "no image has a label" if of_test else "this version was made before Darkroom kept what it needs"
        )
        return {"accuracy": None, "classes": {}, "doubtful": False, "words": f"It cannot be told: {why}."}
    estimates = expected_counts(np.array(list(counts.values())), np.array(of_test["confusion"]))
    drifted = [feature["feature"] for feature in drift if feature["drifted"]]
    return {
        "accuracy": expected_accuracy(images, confidence, variance, of_test),
        "classes": {
            name: dict(zip(("images", "low", "high"), map(float, column), strict=True))
            for name, column in zip(counts, estimates.T, strict=True)
        },
        "doubtful": bool(drifted),
        "words": in_words(drifted, bool(drift)),
    }


def in_words(drifted: Sequence[str], is_compared: bool) -> str:
    """What the estimates rest on, and whether that holds."""
    rests_on = "Expected by the model's calibrated confidences and its mistakes on the test images."
    if not is_compared:
        return f"{rests_on} Whether these images are like those is not known."
    if not drifted:
        return f"{rests_on} It holds as long as these images are like those, and no drift was seen."
    words = (
        f"These images are not like the test images ({', '.join(drifted)}), so confidence may mean "
        "something else here."
    )
    if set(drifted) & set(LOOKS):
        return words
    return f"{words} If only how many there are of each class has changed, the corrected counts hold."
