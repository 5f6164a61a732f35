"""ROC and precision-recall of each class against all others: areas and curves."""

from collections.abc import Sequence
from typing import Any

import numpy as np

POINTS = 100  # of a thinned curve, besides its ends
CURVES = 8  # classes with curves, as many as the palette has colours

Curve = tuple[list[float], list[float]]


def ranking_metrics(labels: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float | None]]:
    """For each class its average precision and area under the ROC curve, against all other classes.

    labels: int [images]. probabilities: float [images, classes]. Both are None for a class that has none of
    the images, or all of them.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    ranking = []
    for number, scores in enumerate(probabilities.T):
        in_class = labels == number
        is_defined = in_class.any() and not in_class.all()
        ranking.append(
            {
                "average_precision": float(average_precision_score(in_class, scores)) if is_defined else None,
                "roc_auc": float(roc_auc_score(in_class, scores)) if is_defined else None,
            }
        )
    return ranking


def class_curves(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], ranking: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Thinned curves of the CURVES classes of lowest average precision, in the order of the classes.

    ranking: as `ranking_metrics` gives it; classes where it is None have no curve. `roc` is [false positive
    rates, true positive rates], `precision_recall` [recalls, precisions].
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    precisions = {number: row["average_precision"] for number, row in enumerate(ranking)}
    defined_classes = [number for number, precision in precisions.items() if precision is not None]
    hardest = sorted(defined_classes, key=lambda number: precisions[number])[:CURVES]
    curves = []
    for number in sorted(hardest):
        in_class, scores = labels == number, probabilities[:, number]
        false_positives, true_positives, _ = roc_curve(in_class, scores)
        precision, recall, _ = precision_recall_curve(in_class, scores)
        curves.append(
            {
                "class": classes[number],
                "roc": thin_curve(false_positives, true_positives),
                "precision_recall": thin_curve(recall[::-1], precision[::-1]),
                **ranking[number],
            }
        )
    return curves


def thin_curve(x: np.ndarray, y: np.ndarray) -> Curve:
    """About POINTS of a curve's points, evenly spaced along its length, both ends among them."""
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    even_lengths = np.linspace(0, length[-1], POINTS)
    points = np.unique([0, len(x) - 1, *np.searchsorted(length, even_lengths).clip(max=len(x) - 1)])
    return x[points].round(5).tolist(), y[points].round(5).tolist()
