"""Where a model does worse than elsewhere, beyond chance and only then."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from tasks.evaluation.slices import holm, slices

CLASSES = ["forest", "sea"]


def test_a_dark_corner_is_found_with_the_class_that_fills_it():
    brightness, labels = np.arange(400) / 400, np.ones(400, int)
    labels[:80] = 0
    right = np.arange(400) % 10 > 0
    right[:50] = False
    darkest, *others = slices({"brightness": brightness}, labels, right, CLASSES)
    assert (darkest["name"], darkest["images"], darkest["worse"]) == ("darkest", 100, True)
    assert (darkest["accuracy"], darkest["rest"]) == (0.45, 0.9)
    assert (darkest["class"], darkest["class_share"], darkest["class_overall"]) == ("forest", 0.8, 0.2)
    words = "The darkest images (brightness 0.00 to 0.25): 45.0 % of 100 right, 90.0 % of the others"
    assert darkest["words"] == words
    assert [row["name"] for row in others] == ["between", "between", "brightest"]
    assert not any(row["worse"] for row in others)
    chance = hypergeom(400, int(right.sum()), 100).cdf(45)
    assert darkest["p_value"] == pytest.approx(4 * chance, rel=1e-6)


def test_chance_alone_makes_no_slice_worse():
    random = np.random.default_rng(0)
    looks = {name: random.random(1000) for name in ("brightness", "sharpness", "size")}
    rows = slices(looks, random.integers(0, 2, 1000), random.random(1000) < 0.9, CLASSES)
    assert len(rows) == 12
    assert not any(row["worse"] for row in rows)


def test_images_of_one_size_are_one_slice_and_hardly_any_of_another_none():
    size = np.full(100, 150.0)
    labels, right = np.zeros(100, int), np.ones(100, bool)
    assert slices({"size": size}, labels, right, CLASSES) == []
    size[:19] = 120
    assert slices({"size": size}, labels, right, CLASSES) == []
    size[:20] = 120
    smallest, largest = slices({"size": size}, labels, right, CLASSES)
    assert (smallest["name"], smallest["images"], smallest["span"]) == ("smallest", 20, "size 120 px")
    assert (largest["images"], largest["p_value"], largest["worse"]) == (80, 1.0, False)


def test_the_ends_are_those_of_all_images_even_where_too_few_are_there_to_tell():
    size = np.repeat([100.0, 150.0, 200.0], [10, 40, 50])
    rows = slices({"size": size}, np.zeros(100, int), np.ones(100, bool), CLASSES)
    assert [(row["name"], row["span"]) for row in rows] == [
        ("between", "size 150 px"),
        ("largest", "size 200 px"),
    ]


def test_holm_of_a_known_case():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
