"""The metrics of a model's predictions on the test images, and a test that compares two models."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from tasks.evaluation.calibration import (
    brier_score,
    calibration_error_of_chance,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    reliability,
    scale_temperature,
)
from tasks.evaluation.curves import class_curves, ranking_metrics
from tasks.evaluation.estimates import confidence_gap
from tasks.evaluation.thresholds import class_thresholds

SCORES = ("precision", "recall", "f1")
MAX_MISTAKES = 25
MAX_CELLS, CELL_IMAGES = 12, 4  # cells of the confusion matrix with pictures, and pictures of each
OVERFITTING_RISE = 1.03  # last validation loss as a multiple of the lowest, above which it has turned


def compute_metrics(
    classes: Sequence[str],
    val_labels: np.ndarray,
    val_probabilities: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
) -> dict[str, Any]:
    """The part of metrics.json that follows from predictions; the temperature is fitted on validation only.

    Labels are int [images], probabilities float [images, classes] before temperature scaling.
    """
    from sklearn.metrics import confusion_matrix

    temperature = fit_temperature(val_probabilities, val_labels)
    calibrated = scale_temperature(probabilities, temperature)
    val_calibrated = scale_temperature(val_probabilities, temperature)
    predicted = probabilities.argmax(1)
    confusion = confusion_matrix(labels, predicted, labels=range(len(classes)))
    ranking = ranking_metrics(labels, probabilities)
    return {
        "classes": list(classes),
        "val": scores_on_validation(val_labels, val_probabilities),
        "test": scores_on_test(labels, probabilities, calibrated, ranking),
        "temperature": temperature,
        "per_class": per_class(classes, labels, predicted, ranking),
        "curves": class_curves(labels, probabilities, classes, ranking),
        "confusion": confusion.tolist(),
        "confused": confused_pairs(confusion, classes),
        "reliability": {
            "before": reliability(probabilities, labels),
            "after": reliability(calibrated, labels),
        },
        "confidence": confidence_gap(calibrated.max(1), predicted == labels),
        "thresholds": class_thresholds(classes, val_labels, val_calibrated, labels, calibrated),
    }


def scores_on_validation(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The figures over all validation images, by which models are chosen."""
    predicted = probabilities.argmax(1)
    macro_recall = average_scores(labels, predicted)["macro_recall"]
    return accuracy(predicted == labels) | {
        "log_loss": log_loss(probabilities, labels),
        "macro_recall": macro_recall,
    }


def scores_on_test(
    labels: np.ndarray,
    probabilities: np.ndarray,
    calibrated: np.ndarray,
    ranking: Sequence[Mapping[str, Any]],
) -> dict[str, float | None]:
    """The figures over all test images. calibrated: the probabilities after temperature scaling."""
    predicted = probabilities.argmax(1)
    return {
        **accuracy(predicted == labels),
        **average_scores(labels, predicted),
        "roc_auc": mean_over_classes(ranking, "roc_auc"),
        "average_precision": mean_over_classes(ranking, "average_precision"),
        "top2": top2(labels, probabilities),
        "log_loss": log_loss(probabilities, labels),
        "brier": brier_score(probabilities, labels),
        "ece": expected_calibration_error(probabilities, labels),
        "ece_calibrated": expected_calibration_error(calibrated, labels),
        "ece_of_chance": calibration_error_of_chance(calibrated, labels),
    }


def top2(labels: np.ndarray, probabilities: np.ndarray) -> float | None:
    """The share of images whose class is among the two likeliest; None of two classes."""
    if probabilities.shape[1] < 3:
        return None
    return float(np.mean((np.argsort(-probabilities, 1)[:, :2] == labels[:, None]).any(1)))


def accuracy(right: np.ndarray) -> dict[str, float]:
    """Accuracy with its 95 % interval, `low` to `high`. right: bool [images], at least one.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    interval = scipy.stats.binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return {
        "images": len(right),
        "accuracy": float(right.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
    }


def average_scores(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 over the classes: `macro_` counts each class alike, `weighted_` each image.

    Over the classes that have images; one that was only predicted has no recall.
    """
    from sklearn.metrics import precision_recall_fscore_support

    scores: dict[str, float] = {}
    classes_present = np.unique(labels)
    for average in ("macro", "weighted"):
        values = precision_recall_fscore_support(
            labels, predicted, labels=classes_present, average=average, zero_division=0
        )
        scores |= {f"{average}_{name}": float(value) for name, value in zip(SCORES, values[:3], strict=True)}
    return scores


def per_class(
    classes: Sequence[str], labels: np.ndarray, predicted: np.ndarray, ranking: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """For each class precision, recall, F1, its images (`support`) and its row of `ranking`."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(labels, predicted, labels=range(len(classes)), zero_division=0)
    return [
        {"class": name}
        | {score: float(value) for score, value in zip(SCORES, values, strict=True)}
        | {"support": int(support), **ranking_row}
        for name, *values, support, ranking_row in zip(classes, *columns, ranking, strict=True)
    ]


def mean_over_classes(ranking: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """The mean of a metric over the classes; None where it is None for any of them."""
    values = [row[name] for row in ranking]
    return None if None in values else float(np.mean(values))


def confused_pairs(confusion: np.ndarray, classes: Sequence[str], most: int = 3) -> list[dict[str, Any]]:
    """The `most` pairs of true and predicted class with most wrong predictions, each with a sentence.

    confusion: int [true class, predicted class].
    """
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = []
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if images := int(wrong[true, predicted]):
            share = images / int(confusion[true].sum())
            words = f"{classes[true]} is taken for {classes[predicted]} in {100 * share:.1f} % of its images"
            pair = {"true": classes[true], "predicted": classes[predicted], "images": images, "share": share}
            pairs.append(pair | {"words": f"{words} ({images:,})"})
    return pairs


def describe_learning(history: Sequence[Mapping[str, float]], best_epoch: int) -> dict[str, Any]:
    """Whether the model overfitted after `best_epoch`, whose weights were kept, as facts and a sentence.

    It did if validation loss rose by OVERFITTING_RISE while training loss fell. Training losses are compared
    within the last phase only, since phases differ in their mixup. `gap` is training minus validation
    accuracy in the last epoch. history: one row an epoch, from epoch 1.
    """
    best, last = history[best_epoch - 1], history[-1]
    phase_start = next(row for row in history[best_epoch - 1 :] if row["phase"] == last["phase"])
    overfitted = last["val_loss"] > OVERFITTING_RISE * best["val_loss"] and last["loss"] < phase_start["loss"]
    if overfitted:
        verdict = (
            f"Overfitting from epoch {best_epoch + 1}: training loss kept falling while validation loss rose "
            f"from {best['val_loss']:.3f} to {last['val_loss']:.3f}. "
            f"The weights kept are epoch {best_epoch}'s."
        )
    else:
        verdict = (
            f"No overfitting seen: the weights kept are those of epoch {best_epoch} of {len(history)}, of "
            f"validation loss {best['val_loss']:.3f}; it ended at {last['val_loss']:.3f}."
        )
    return {
        "epochs": len(history),
        "best_epoch": best_epoch,
        "turned_at": best_epoch + 1 if overfitted else None,
        "gap": last["accuracy"] - last["val_accuracy"],
        "verdict": verdict,
    }


def list_mistakes(
    paths: Sequence[str], labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """The MAX_MISTAKES most confident wrong predictions, the most confident first."""
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    return [
        {
            "path": paths[i],
            "label": classes[labels[i]],
            "predicted": classes[predicted[i]],
            "confidence": float(confidence[i]),
        }
        for i in confident_mistakes(labels, probabilities)[:MAX_MISTAKES]
    ]


def list_cells(
    paths: Sequence[str], labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """The MAX_CELLS cells of the confusion matrix with most mistakes, each with its most confident ones.

    `paths` are those of at most CELL_IMAGES images; `images` counts all of the cell.
    """
    predicted = probabilities.argmax(1)
    of_cell: dict[tuple[int, int], list[int]] = {}
    for row in confident_mistakes(labels, probabilities).tolist():
        of_cell.setdefault((int(labels[row]), int(predicted[row])), []).append(row)
    largest = sorted(of_cell, key=lambda cell: -len(of_cell[cell]))[:MAX_CELLS]
    return [
        {
            "true": classes[cell[0]],
            "predicted": classes[cell[1]],
            "images": len(of_cell[cell]),
            "paths": [paths[row] for row in of_cell[cell][:CELL_IMAGES]],
        }
        for cell in largest
    ]


def confident_mistakes(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Row numbers of all wrong predictions, int, the most confident first."""
    wrong = np.flatnonzero(probabilities.argmax(1) != labels)
    return wrong[np.argsort(-probabilities.max(1)[wrong], kind="stable")]


def compare(first_right: np.ndarray, second_right: np.ndarray) -> dict[str, Any]:
    """Exact McNemar test of two models on the same images. Both bool [images]: which each got right.

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
        "p_value": float(scipy.stats.binomtest(only_first, differing).pvalue) if differing else 1.0,
    }


def p_of_worse(gained: int, lost: int) -> float:
    """One-sided exact McNemar p: how likely a model no worse than another loses as many images, or more.

    gained, lost: images that only it gets right, and only the other one. Source: as of `compare`.
    """
    differing = gained + lost
    return float(scipy.stats.binomtest(lost, differing, alternative="greater").pvalue) if differing else 1.0
