"""A shift is called drift when it is large and beyond chance, and only then."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from tasks.evaluation import drift


def test_the_index_is_that_of_a_case_worked_by_hand():
    index, _ = drift.population_stability_index(np.array([5000.0, 5000.0]), np.array([7000.0, 3000.0]))
    assert index == pytest.approx(0.2 * np.log(1.4) - 0.2 * np.log(0.6), rel=1e-3)


def test_the_distance_is_scipys():
    random = np.random.default_rng(0)
    first, second = random.beta(8, 2, 2000), random.beta(6, 2, 1000)
    edges = np.unique(np.concatenate([[0, 1], first, second]))
    distance, p_value = drift.kolmogorov_smirnov(
        *(np.histogram(values, edges)[0].astype(float) for values in (first, second))
    )
    exact = ks_2samp(first, second, method="asymp")
    assert distance == pytest.approx(exact.statistic, abs=2e-3)
    assert p_value == pytest.approx(exact.pvalue, rel=0.5)


def draw_snapshot(random: np.random.Generator, images: int, brightness: float, shares: list[float]) -> dict:
    values = {
        "confidence": random.beta(8, 2, images),
        "brightness": np.clip(random.normal(brightness, 0.15, images), 0, 1),
        "sharpness": random.lognormal(6, 1, images),
    }
    labels = dict(zip("abc", random.multinomial(images, shares).tolist(), strict=True))
    return drift.snapshot(labels, drift.histograms(values))


@pytest.mark.parametrize("images", [20, 200, 20_000])
def test_chance_alone_is_no_drift(images: int):
    random = np.random.default_rng(1)
    before = draw_snapshot(random, 1500, 0.5, [0.3, 0.3, 0.4])
    for _ in range(20):
        records = drift.compare(before, draw_snapshot(random, images, 0.5, [0.3, 0.3, 0.4]))
        features = [record["feature"] for record in records]
        assert features == ["labels", "confidence", "brightness", "sharpness"]
        assert not any(record["drifted"] for record in records)


def test_darker_pictures_of_other_things_are_drift():
    random = np.random.default_rng(2)
    before = draw_snapshot(random, 1500, 0.5, [0.3, 0.3, 0.4])
    now = draw_snapshot(random, 500, 0.3, [0.8, 0.1, 0.1])
    drifted = {record["feature"] for record in drift.compare(before, now) if record["drifted"]}
    assert drifted == {"labels", "brightness"}


def test_an_empty_side_is_no_drift():
    random = np.random.default_rng(3)
    before = draw_snapshot(random, 100, 0.5, [0.3, 0.3, 0.4])
    empty = drift.snapshot({}, drift.histograms({name: np.empty(0) for name in drift.EDGES}))
    assert drift.compare(before, empty) == []
