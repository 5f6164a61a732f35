"""What is expected of images without labels comes true on images whose labels were held back."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.special import softmax

from tasks.evaluation.estimates import (
    confidence_gap,
    estimate,
    expected_accuracy,
    expected_counts,
    likeliest_shares,
)

CLASSES = 5
EVEN = np.full(CLASSES, 1 / CLASSES)
UNEVEN = np.array([0.5, 0.25, 0.15, 0.08, 0.02])
DRAWS = 40


def draw(random: np.random.Generator, images: int, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True classes, and what an overconfident model of even classes says of their images."""
    labels = random.choice(CLASSES, images, p=shares)
    evidence = random.normal(0, 1, (images, CLASSES)) + 2 * np.eye(CLASSES)[labels]
    return labels, softmax(2.4 * evidence, 1)


def confusion_of(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return np.bincount(labels * CLASSES + predicted, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def folders_held_back(shares: np.ndarray, images: int = 3000) -> Iterator[tuple[np.ndarray, ...]]:
    """Labels and probabilities of 600 test images and of a folder, drawn DRAWS times."""
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        yield *draw(random, 600, EVEN), *draw(random, images, shares)


@pytest.mark.parametrize("images", [200, 20_000])
def test_the_interval_of_the_expected_accuracy_holds_what_the_labels_held_back_show(images: int):
    covered = []
    for test_labels, test_probabilities, labels, probabilities in folders_held_back(EVEN, images):
        gap = confidence_gap(test_probabilities.max(1), test_probabilities.argmax(1) == test_labels)
        confidence = probabilities.max(1)
        told = expected_accuracy(images, confidence.sum(), (confidence * (1 - confidence)).sum(), gap)
        right = np.mean(probabilities.argmax(1) == labels)
        assert told["high"] - told["low"] < 0.15
        covered.append(told["low"] <= right <= told["high"])
    assert np.mean(covered) > 0.88


@pytest.mark.parametrize("shares", [EVEN, UNEVEN], ids=["as in the test", "other shares"])
def test_corrected_counts_hold_the_true_ones_whatever_the_share_of_each_class(shares: np.ndarray):
    covered, errors = [], []
    for test_labels, test_probabilities, labels, probabilities in folders_held_back(shares):
        predicted = probabilities.argmax(1)
        counts, truth = np.bincount(predicted, minlength=CLASSES), np.bincount(labels, minlength=CLASSES)
        likeliest, low, high = expected_counts(
            counts, confusion_of(test_labels, test_probabilities.argmax(1))
        )
        covered.append((low <= truth) & (truth <= high))
        errors.append([np.abs(counts - truth).sum(), np.abs(likeliest - truth).sum()])
    assert np.mean(covered) > 0.88
    if shares is UNEVEN:
        uncorrected, corrected = np.mean(errors, axis=0)
        assert corrected < uncorrected / 2


def test_counts_of_a_case_worked_out_by_hand():
    """Of 1,000 images 800 are the first class; 90 % of these and 80 % of the others are called right."""
    rates = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert likeliest_shares(np.array([[760, 240]]), rates)[0] == pytest.approx([0.8, 0.2], abs=1e-3)
    likeliest, low, high = expected_counts(np.array([760, 240]), (rates * 1_000_000).astype(int))
    assert likeliest == pytest.approx([800, 200], abs=2)
    assert (low < likeliest).all()
    assert (likeliest < high).all()


def test_shares_that_no_mixture_explains_stay_between_0_and_all():
    likeliest, low, high = expected_counts(np.array([1000, 0]), np.array([[60, 40], [40, 60]]))
    assert likeliest.sum() == pytest.approx(1000)
    assert (low >= 0).all()
    assert (high <= 1000).all()


def test_a_class_without_test_images_and_a_single_image_are_estimated_too():
    for counts in (np.array([0, 1, 0]), np.array([0, 0, 900])):
        likeliest, low, high = expected_counts(counts, np.array([[9, 1, 0], [1, 9, 0], [0, 0, 0]]))
        assert np.isfinite([likeliest, low, high]).all()
        assert likeliest.argmax() == counts.argmax()


def test_a_model_without_a_mistake_on_few_test_images_is_not_taken_to_be_perfect():
    gap = confidence_gap(np.full(20, 0.999), np.ones(20, bool))
    assert expected_accuracy(100_000, 99_900, 99.9, gap)["low"] < 0.92


def test_drift_makes_it_doubtful_and_a_version_without_a_yardstick_is_told_in_words():
    of_test = {"confusion": [[9, 1], [1, 9]], "gap": 0.0, "gap_variance": 1e-3}

    def drifted(*names: str) -> list[dict]:
        return [{"feature": name, "drifted": name in names} for name in ("labels", "brightness")]

    counts = {"sea": 30, "forest": 10}
    sound = estimate(counts, 36.0, 2.0, of_test, drifted())
    assert (sound["accuracy"]["accuracy"], sound["doubtful"]) == (pytest.approx(0.9), False)
    by_share, by_looks = (
        estimate(counts, 36.0, 2.0, of_test, drifted(name)) for name in ("labels", "brightness")
    )
    assert (by_share["doubtful"], by_looks["doubtful"]) == (True, True)
    assert "corrected counts hold" in by_share["words"]
    assert "corrected counts hold" not in by_looks["words"]
    older = estimate(counts, 36.0, 2.0, None, drifted())
    assert older["accuracy"] is None
    assert "made before" in older["words"]
    assert "not known" in estimate(counts, 36.0, 2.0, of_test, [])["words"]
