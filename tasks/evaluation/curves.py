"""ROC and precision-recall curves of each class against the rest."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

POINTS = 100  # a curve is thinned to so many
CURVES = 8  # classes that are drawn, as many as the palette has colours

Curve = tuple[list[float], list[float]]


def ranking(labels: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float | None]]:
    """How well each class is told from the rest: average precision and area under the ROC curve.

    labels: int [images]. probabilities: float [images, classes]. None where the class, or all the rest,
    has no image.
    """
    found = []
    for number, scores in enumerate(probabilities.T):
        members = labels == number
        told = members.any() and not members.all()
        found.append(
            {
                "average_precision": float(average_precision_score(members, scores)) if told else None,
                "roc_auc": float(roc_auc_score(members, scores)) if told else None,
            }
        )
    return found


def class_curves(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], ranked: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Thinned curves of the CURVES classes of lowest average precision, in the order of the classes.

    `roc` is [false positive rates, true positive rates], `precision_recall` [recalls, precisions].
    """
    told = [number for number, row in enumerate(ranked) if row["average_precision"] is not None]
    worst = sorted(told, key=lambda number: ranked[number]["average_precision"])[:CURVES]
    found = []
    for number in sorted(worst):
        members, scores = labels == number, probabilities[:, number]
        false, true, _ = roc_curve(members, scores)
        precision, recall, _ = precision_recall_curve(members, scores)
        found.append(
            {
                "class": classes[number],
                "roc": thinned(false, true),
                "precision_recall": thinned(recall[::-1], precision[::-1]),
                **ranked[number],
            }
        )
    return found


def thinned(x: np.ndarray, y: np.ndarray) -> Curve:
    """At most POINTS of a curve's points, evenly along its length, both ends among them."""
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, length[-1], POINTS)
    kept = np.unique([0, len(x) - 1, *np.searchsorted(length, wanted).clip(max=len(x) - 1)])
    return x[kept].round(5).tolist(), y[kept].round(5).tolist()
