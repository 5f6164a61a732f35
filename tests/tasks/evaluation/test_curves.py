"""Each class against the rest, held against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from tasks.evaluation.curves import CURVES, POINTS, class_curves, ranking_metrics
from tests.tasks.evaluation.draws import predictions


def test_areas_are_scikit_learns_class_by_class():
    labels, probabilities = predictions()
    ranking = ranking_metrics(labels, probabilities)
    truth = np.eye(4)[labels]
    expected = average_precision_score(truth, probabilities, average=None)
    assert [row["average_precision"] for row in ranking] == pytest.approx(list(expected))
    expected = roc_auc_score(truth, probabilities, average=None)
    assert [row["roc_auc"] for row in ranking] == pytest.approx(list(expected))


def test_thinned_curves_keep_their_areas():
    labels, probabilities = predictions()
    ranking = ranking_metrics(labels, probabilities)
    curves = class_curves(labels, probabilities, "abcd", ranking)
    for row, curve in zip(ranking, curves, strict=True):
        false_positives, true_positives = curve["roc"]
        assert len(false_positives) <= POINTS + 2
        assert (false_positives[0], true_positives[0]) == (0, 0)
        assert (false_positives[-1], true_positives[-1]) == (1, 1)
        assert auc(false_positives, true_positives) == pytest.approx(row["roc_auc"], abs=2e-3)
        assert auc(*curve["precision_recall"]) == pytest.approx(row["average_precision"], abs=1e-2)


def test_of_many_classes_those_hardest_to_tell_are_drawn_and_one_without_images_is_not():
    labels, probabilities = predictions(classes=12)
    has_images = labels != 5
    ranking = ranking_metrics(labels[has_images], probabilities[has_images])
    assert ranking[5] == {"average_precision": None, "roc_auc": None}
    curves = class_curves(labels[has_images], probabilities[has_images], "abcdefghijkl", ranking)
    precisions = [row["average_precision"] for row in ranking if row["average_precision"] is not None]
    limit = sorted(precisions)[CURVES - 1]
    hard = [row["average_precision"] is not None and row["average_precision"] <= limit for row in ranking]
    assert [curve["class"] for curve in curves] == [
        name for name, is_hard in zip("abcdefghijkl", hard, strict=True) if is_hard
    ]
