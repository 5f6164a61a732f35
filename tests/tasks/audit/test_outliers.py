"""Outliers by the rule of Iglewicz and Hoaglin."""

import numpy as np
import pytest

from tasks.audit.outliers import find_outliers, modified_z_scores


def test_scores_by_hand():
    # Median 3, absolute deviations 2, 1, 0, 1, 97: their median is 1.
    scores = modified_z_scores(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    assert scores == pytest.approx(0.6745 * np.array([-2, -1, 0, 1, 97]))


def test_where_most_are_the_same_the_mean_deviation_counts():
    # 49 times 150 and once 75: the median deviation is 0, the mean one 1.5.
    scores = modified_z_scores(np.array([150.0] * 49 + [75.0]))
    assert scores[-1] == pytest.approx(-75 / (1.5 * np.sqrt(np.pi / 2)))
    assert not modified_z_scores(np.full(5, 150.0)).any()


def test_the_odd_ones_are_named_with_what_is_odd_about_them():
    random = np.random.default_rng(0)
    usual = {"status": "ok", "width": 150, "height": 150, "sharpness": 900.0, "colourfulness": 40.0}
    rows = [
        usual | {"path": f"{image}.jpg", "brightness": 0.5 + 0.02 * random.normal()} for image in range(200)
    ]
    rows[7] |= {"brightness": 0.99}
    rows[9] |= {"height": 50}
    outliers = {
        outlier["kind"]: [example["path"] for example in outlier["examples"]]
        for outlier in find_outliers(rows, ["a"])["outliers"]
    }
    assert outliers == {"small": ["9.jpg"], "wide": ["9.jpg"], "bright": ["7.jpg"]}
    assert find_outliers([], ["a"]) == {"outliers": []}
