"""From which confidence on the labels of each class are as often right as was asked, by validation."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

PRECISION = 0.95  # that reports tell of; `classify` may ask for any
PRIOR_IMAGES = 20  # that the confidences of a class are worth; of 10, 20 and 50 the best on real scenes
PER_MILLE, PER_MILLION = 1_000, 1_000_000  # what precisions and confidences are rounded down to

Step = tuple[float, float, float]


def class_thresholds(
    classes: Sequence[str],
    val_labels: np.ndarray,
    val_probabilities: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
) -> list[dict[str, Any]]:
    """`thresholds` of metrics.json: a record for each class, of the images that were taken for it.

    Labels are int [images], probabilities float [images, classes], calibrated; the first two of validation,
    the others of test. `images` is how many of validation, `steps` as `precision_steps` gives them. What
    PRECISION comes to: `confidence`, from where on, and `kept`, which share of the images; None and 0 where
    the class does not reach it. `test_images`, `test_kept` and `test_precision` say the same of the test.
    """
    return list(_rows(classes, *_taken(val_labels, val_probabilities), *_taken(labels, probabilities)))


def _taken(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    predicted = probabilities.argmax(1)
    return predicted, probabilities.max(1), predicted == labels


def _rows(
    classes: Sequence[str],
    val_predicted: np.ndarray,
    val_confidence: np.ndarray,
    val_right: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    right: np.ndarray,
) -> Iterator[dict[str, Any]]:
    for number, name in enumerate(classes):
        of_val, of_test = val_predicted == number, predicted == number
        steps = precision_steps(val_confidence[of_val], val_right[of_val])
        least, _, kept = step_to(steps, PRECISION) or (None, None, 0.0)
        is_kept = of_test & (confidence >= (np.inf if least is None else least))
        yield {
            "class": name,
            "images": int(of_val.sum()),
            "steps": steps,
            "confidence": least,
            "kept": kept,
            "test_images": int(of_test.sum()),
            "test_kept": float(is_kept.sum() / max(of_test.sum(), 1)),
            "test_precision": float(right[is_kept].mean()) if is_kept.any() else None,
        }


def precision_steps(confidence: np.ndarray, right: np.ndarray) -> list[Step]:
    """The least confidences from which images taken for a class are right more and more often.

    confidence: calibrated, float [images]. right: bool [images]. Each step is a confidence, the precision of
    the images at or above it, which rises from step to step, and their share of all.

    Few images tell little, and the confidence would be chosen where these very ones happen to be right: so
    the precision is estimated as if PRIOR_IMAGES more had been right as often as all say they are. Source:
    Ji, Smyth & Steyvers 2020, "Can I Trust My Fair Metric?" (calibrated confidence as a beta prior).
    """
    order = np.argsort(-confidence, kind="stable")
    confidence, images = confidence[order], np.arange(1, len(order) + 1)
    said = np.cumsum(confidence, dtype=np.float64) / images
    precision = (np.cumsum(right[order]) + PRIOR_IMAGES * said) / (images + PRIOR_IMAGES)
    precision = np.floor(precision * PER_MILLE) / PER_MILLE
    steps: list[Step] = []
    highest = -1.0
    for place in range(len(order) - 1, -1, -1):
        is_whole = place == len(order) - 1 or confidence[place] > confidence[place + 1]  # not amid equal ones
        if is_whole and precision[place] > highest:
            highest = float(precision[place])
            least = math.floor(float(confidence[place]) * PER_MILLION) / PER_MILLION
            steps.append((least, highest, float(images[place] / len(order))))
    return steps


def step_to(steps: Sequence[Sequence[float]], precision: float) -> Sequence[float] | None:
    """The first of a class's steps that reaches a precision; None where none does."""
    return next((step for step in steps if step[1] >= precision), None)


def least_confidences(record: Mapping[str, Any], precision: float) -> list[float]:
    """The confidence from which each class reaches a precision, infinite where it does not; [classes].

    record: a model.json. Raises KeyError where it holds no thresholds, as one of an older Darkroom.
    """
    steps = (step_to(row["steps"], precision) for row in record["thresholds"])
    return [step[0] if step else np.inf for step in steps]
