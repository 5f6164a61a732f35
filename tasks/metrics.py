"""Metrics, calibration and model-to-model comparison: pure functions of labels and probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

BINS = 15
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
    return {
        "classes": list(classes),
        "val": accuracy_of(val_labels, val_probabilities)
        | {"log_loss": log_loss(val_probabilities, val_labels)},
        "test": accuracy_of(labels, probabilities)
        | averages(labels, predicted)
        | {
            "roc_auc": roc_auc(labels, probabilities),
            "top2": float(np.mean((np.argsort(-probabilities, 1)[:, :2] == labels[:, None]).any(1))),
            "log_loss": log_loss(probabilities, labels),
            "ece": expected_calibration_error(probabilities, labels),
            "ece_calibrated": expected_calibration_error(calibrated, labels),
        },
        "temperature": temperature,
        "per_class": per_class(classes, labels, predicted),
        "confusion": table.tolist(),
        "confused": confused_pairs(table, classes),
        "reliability": {
            "before": reliability(probabilities, labels),
            "after": reliability(calibrated, labels),
        },
    }


def accuracy_of(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Accuracy with its 95 % interval (Wilson 1927, "Probable inference")."""
    right = int((probabilities.argmax(1) == labels).sum())
    interval = binomtest(right, len(labels)).proportion_ci(method="wilson")
    return {
        "images": len(labels),
        "accuracy": right / len(labels),
        "low": float(interval.low),
        "high": float(interval.high),
    }


def averages(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    return {
        f"{how}_f1": float(
            precision_recall_fscore_support(labels, predicted, average=how, zero_division=0)[2]
        )
        for how in ("macro", "weighted")
    }


def per_class(classes: Sequence[str], labels: np.ndarray, predicted: np.ndarray) -> list[dict[str, Any]]:
    columns = precision_recall_fscore_support(labels, predicted, labels=range(len(classes)), zero_division=0)
    return [
        {
            "class": name,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "support": int(support),
        }
        for name, precision, recall, f1, support in zip(classes, *columns, strict=True)
    ]


def roc_auc(labels: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Macro one-against-rest area under the ROC curve; None where a class has no test image."""
    if len(np.unique(labels)) < probabilities.shape[1]:
        return None
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(labels, probabilities[:, 1]))
    normalised = probabilities.astype(np.float64) / probabilities.sum(1, keepdims=True, dtype=np.float64)
    return float(roc_auc_score(labels, normalised, multi_class="ovr"))


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(chosen, 1e-12, 1.0)).mean())


def confused_pairs(table: np.ndarray, classes: Sequence[str], most: int = 3) -> list[dict[str, Any]]:
    """The pairs of classes most often taken for each other: true class, what was said, how often."""
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    return [
        {
            "true": classes[true],
            "predicted": classes[said],
            "images": int(wrong[true, said]),
            "share": float(wrong[true, said] / table[true].sum()),
        }
        for true, said in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[true, said]
    ]


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Gap between confidence and accuracy, averaged over equal-width confidence bins.

    probabilities: float [images, classes], rows sum to 1. labels: int [images].
    Returns a share in [0, 1]. Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    curve = reliability(probabilities, labels, bins)
    gaps = np.abs(np.subtract(curve["confidence"], curve["accuracy"]))
    return float(np.average(gaps, weights=curve["images"]))


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
    """The temperature in [0.05, 20] of least log loss. Source: Guo et al. 2017, as above."""
    found = minimize_scalar(
        lambda exponent: log_loss(scale_temperature(probabilities, np.exp(exponent)), labels),
        bounds=(np.log(0.05), np.log(20.0)),
        method="bounded",
    )
    return float(np.exp(found.x))


def scale_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities whose logits are divided by `temperature`; the ranking of classes stays."""
    logits = np.log(np.clip(probabilities.astype(np.float64), 1e-12, 1.0)) / temperature
    scaled = np.exp(logits - logits.max(1, keepdims=True))
    return (scaled / scaled.sum(1, keepdims=True)).astype(np.float32)


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
    wrong = np.flatnonzero(predicted != labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES_SHOWN]
    return [
        {
            "path": paths[i],
            "label": classes[labels[i]],
            "predicted": classes[predicted[i]],
            "confidence": float(confidence[i]),
        }
        for i in order
    ]


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
