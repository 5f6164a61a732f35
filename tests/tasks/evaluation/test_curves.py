"""Each class against the rest, held against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from tasks.evaluation.curves import CURVES, POINTS, class_curves, ranking
from tests.tasks.evaluation.draws import predictions


def test_areas_are_scikit_learns_class_by_class():
    labels, probabilities = predictions()
    found = ranking(labels, probabilities)
    truth = np.eye(4)[labels]
    expected = average_precision_score(truth, probabilities, average=None)
    assert [row["average_precision"] for row in found] == pytest.approx(list(expected))
    expected = roc_auc_score(truth, probabilities, average=None)
    assert [row["roc_auc"] for row in found] == pytest.approx(list(expected))


def test_thinned_curves_keep_their_areas():
    labels, probabilities = predictions()
    ranked = ranking(labels, probabilities)
    found = class_curves(labels, probabilities, "abcd", ranked)
    for row, curve in zip(ranked, found, strict=True):
        false, true = curve["roc"]
        assert len(false) <= POINTS + 2
        assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
        assert auc(false, true) == pytest.approx(row["roc_auc"], abs=2e-3)
        assert auc(*curve["precision_recall"]) == pytest.approx(row["average_precision"], abs=1e-2)


def test_of_many_classes_those_hardest_to_tell_are_drawn_and_one_without_images_is_not():
    labels, probabilities = predictions(classes=12)
    seen = labels != 5
    ranked = ranking(labels[seen], probabilities[seen])
    assert ranked[5] == {"average_precision": None, "roc_auc": None}
    drawn = [row["class"] for row in class_curves(labels[seen], probabilities[seen], "abcdefghijkl", ranked)]
    told = [row["average_precision"] for row in ranked if row["average_precision"] is not None]
    limit = sorted(told)[CURVES - 1]
    hard = [row["average_precision"] is not None and row["average_precision"] <= limit for row in ranked]
    assert drawn == [name for name, is_hard in zip("abcdefghijkl", hard, strict=True) if is_hard]
