"""The test of macro recall is paired, stratified and exact."""

import numpy as np
import pytest

from tasks.evaluation import compare, compare_macro_recall

CLOSE = 0.006  # of p by 99,999 draws


def test_of_one_class_it_is_the_exact_mcnemar_test():
    first, second = np.repeat([True, False, True], [20, 12, 3]), np.repeat([True, True, False], [20, 12, 3])
    recall = compare_macro_recall(first, second, np.zeros(35, int))
    assert (recall["first"], recall["second"]) == pytest.approx((23 / 35, 32 / 35))
    assert recall["p_value"] == pytest.approx(compare(first, second)["p_value"], abs=CLOSE)
    assert recall == compare_macro_recall(first, second, np.zeros(35, int))


def test_p_of_two_classes_worked_out_by_hand():
    labels = np.array([0, 0, 1, 1, 1, 1])
    first = np.array([False, True, True, True, False, False])
    second = np.array([True, True, False, True, True, True])
    recall = compare_macro_recall(first, second, labels)
    assert (recall["first"], recall["second"]) == (0.5, 0.875)
    # By chance the classes gain 1/2 or -1/2, and -3/4, -1/4, 1/4, 3/4 in 1, 3, 3, 1 ways; here 1/2 and 1/4.
    assert recall["p_value"] == pytest.approx(2 * (3 + 1) / 16, abs=CLOSE)
    assert recall["p_of_worse"] == pytest.approx(15 / 16, abs=CLOSE)


def test_equal_models_differ_by_nothing():
    right = np.array([True, False, True])
    recall = compare_macro_recall(right, right, np.array([0, 1, 1]))
    assert (recall["p_value"], recall["p_of_worse"]) == (1.0, 1.0)
