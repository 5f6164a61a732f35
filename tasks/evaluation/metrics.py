"""What a model's predictions on the test images come to, and two models compared: pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tasks.evaluation.calibration import (
    brier_score,
    calibration_error_of_chance,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    reliability,
    scale_temperature,
)
from tasks.evaluation.curves import class_curves, ranking

SCORES = ("precision", "recall", "f1")
MISTAKES_SHOWN = 25
RISE = 1.03  # validation loss this far above its lowest at the end counts as turned


def judge(
    classes: Sequence[str],
    val_labels: np.ndarray,
    val_probabilities: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
) -> dict[str, Any]:
    """Everything metrics.json says of the predictions; temperature fitted on validation alone."""
    temperature = fit_temperature(val_probabilities, val_labels)
    calibrated = scale_temperature(probabilities, temperature)
    predicted = probabilities.argmax(1)
    table = confusion_matrix(labels, predicted, labels=range(len(classes)))
    ranked = ranking(labels, probabilities)
    return {
        "classes": list(classes),
        "val": accuracy_of(val_labels, val_probabilities)
        | {"log_loss": log_loss(val_probabilities, val_labels)},
        "test": accuracy_of(labels, probabilities)
        | averages(labels, predicted)
        | {
            "roc_auc": mean_of(ranked, "roc_auc"),
            "average_precision": mean_of(ranked, "average_precision"),
            "top2": float(np.mean((np.argsort(-probabilities, 1)[:, :2] == labels[:, None]).any(1))),
            "log_loss": log_loss(probabilities, labels),
            "brier": brier_score(probabilities, labels),
            "ece": expected_calibration_error(probabilities, labels),
            "ece_calibrated": expected_calibration_error(calibrated, labels),
            "ece_of_chance": calibration_error_of_chance(calibrated, labels),
        },
        "temperature": temperature,
        "per_class": per_class(classes, labels, predicted, ranked),
        "curves": class_curves(labels, probabilities, classes, ranked),
        "confusion": table.tolist(),
        "confused": confused_pairs(table, classes),
        "reliability": {
            "before": reliability(probabilities, labels),
            "after": reliability(calibrated, labels),
        },
    }


def accuracy_of(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    return share_right(probabilities.argmax(1) == labels)


def share_right(right: np.ndarray) -> dict[str, float]:
    """Accuracy with its 95 % interval (Wilson 1927, "Probable inference"). right: bool [images]."""
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return {
        "images": len(right),
        "accuracy": float(right.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
    }


def averages(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 over the classes: each class alike, and each by its number of images.

    Of the classes that have images; one that was only predicted has no recall.
    """
    found: dict[str, float] = {}
    judged = np.unique(labels)
    for how in ("macro", "weighted"):
        values = precision_recall_fscore_support(
            labels, predicted, labels=judged, average=how, zero_division=0
        )
        found |= {f"{how}_{name}": float(value) for name, value in zip(SCORES, values[:3], strict=True)}
    return found


def per_class(
    classes: Sequence[str], labels: np.ndarray, predicted: np.ndarray, ranked: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    columns = precision_recall_fscore_support(labels, predicted, labels=range(len(classes)), zero_division=0)
    return [
        {"class": name}
        | {score: float(value) for score, value in zip(SCORES, values, strict=True)}
        | {"support": int(support), **ranks}
        for name, *values, support, ranks in zip(classes, *columns, ranked, strict=True)
    ]


def mean_of(ranked: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """The mean over the classes; None where a class has no test image."""
    values = [row[name] for row in ranked]
    return None if None in values else float(np.mean(values))


def confused_pairs(table: np.ndarray, classes: Sequence[str], most: int = 3) -> list[dict[str, Any]]:
    """The pairs of classes most often taken for each other: true class, what was said, how often."""
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    found = []
    for true, said in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if images := int(wrong[true, said]):
            share = images / int(table[true].sum())
            words = f"{classes[true]} is taken for {classes[said]} in {100 * share:.1f} % of its images"
            pair = {"true": classes[true], "predicted": classes[said], "images": images, "share": share}
            found.append(pair | {"words": f"{words} ({images:,})"})
    return found


def learning(history: Sequence[Mapping[str, float]], number: int) -> dict[str, Any]:
    """Whether validation loss turned after epoch `number`, the kept one, and the gap to training accuracy.

    Training losses are held against each other within a phase only, since phases differ in their mixup.
    """
    best, last = history[number - 1], history[-1]
    since = next(row for row in history[number - 1 :] if row["phase"] == last["phase"])
    turned = last["val_loss"] > RISE * best["val_loss"] and last["loss"] < since["loss"]
    gap = last["accuracy"] - last["val_accuracy"]
    if turned:
        verdict = (
            f"Overfitting from epoch {number + 1}: training loss kept falling while validation loss rose "
            f"from {best['val_loss']:.3f} to {last['val_loss']:.3f}. The weights kept are epoch {number}'s."
        )
    else:
        verdict = (
            f"No overfitting seen: the weights kept are those of epoch {number} of {len(history)}, of "
            f"validation loss {best['val_loss']:.3f}; it ended at {last['val_loss']:.3f}."
        )
    return {
        "epochs": len(history),
        "best_epoch": number,
        "turned_at": number + 1 if turned else None,
        "gap": gap,
        "verdict": verdict,
    }


def mistakes(
    paths: Sequence[str], labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """The most confident wrong predictions, worst first."""
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    return [
        {
            "path": paths[i],
            "label": classes[labels[i]],
            "predicted": classes[predicted[i]],
            "confidence": float(confidence[i]),
        }
        for i in confident_mistakes(labels, probabilities)[:MISTAKES_SHOWN]
    ]


def confident_mistakes(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Rows of all wrong predictions, the most confident first."""
    wrong = np.flatnonzero(probabilities.argmax(1) != labels)
    return wrong[np.argsort(-probabilities.max(1)[wrong], kind="stable")]


def compare(first_right: np.ndarray, second_right: np.ndarray) -> dict[str, Any]:
    """Exact McNemar test of two models on the same images, given which each got right (bool [images]).

    Source: McNemar 1947; exact binomial form as in Dietterich 1998, "Approximate Statistical Tests".
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    differing = only_first + only_second
    return {
        "images": len(first_right),
        "both_right": int((first_right & second_right).sum()),
        "only_first": only_first,
        "only_second": only_second,
        "neither": int((~first_right & ~second_right).sum()),
        "p_value": float(binomtest(only_first, differing).pvalue) if differing else 1.0,
    }
