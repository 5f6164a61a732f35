"""From which confidence a class is as precise as asked, chosen on validation, holds on other images."""

import numpy as np
import pytest

from flows.cli.models import confidences
from tasks.evaluation.thresholds import class_thresholds, least_confidences, precision_steps, step_to
from tests.tasks.evaluation.draws import predictions
from tests.tasks.pages import records


def test_the_steps_of_a_known_case():
    confidence = np.repeat([0.9, 0.7, 0.7, 0.5, 0.6], [40, 20, 20, 10, 10])
    right = np.repeat([True, True, False, False, True], [40, 20, 20, 10, 10])
    # With 20 more as they say, rounded down: (40 + 18) / 60, (60 + 16) / 100, (70 + 15.6) / 110, 85 / 120.
    assert precision_steps(confidence, right) == [(0.5, 0.708, 1.0), (0.6, 0.777, 0.9), (0.9, 0.966, 0.4)]
    assert precision_steps(np.array([]), np.array([], bool)) == []


@pytest.mark.parametrize(("images", "reached"), [(5, False), (40, True)])
def test_few_images_are_believed_hardly_more_than_their_confidence(images: int, reached: bool):
    steps = precision_steps(np.full(images, 0.86), np.ones(images, bool))
    assert (step_to(steps, 0.95) is not None) == reached


def test_what_thresholds_of_validation_keep_of_other_images_is_as_precise_as_asked():
    random, (labels, probabilities) = np.random.default_rng(0), predictions(20_000, classes=3)
    kept, right = np.zeros(3), np.zeros(3)
    for _ in range(40):
        val = random.choice(len(labels), 150, replace=False)
        rows = class_thresholds("abc", labels[val], probabilities[val], labels, probabilities)
        shares = [row["test_kept"] * (row["test_precision"] or 0) for row in rows]
        kept, right = kept + [row["test_kept"] for row in rows], right + shares
    assert (right / kept > 0.94).all()  # by counts alone 0.92
    assert (kept / 40 > 0.2).all()


def test_a_version_keeps_its_thresholds_for_any_precision(store: str):
    of_model = records.metrics()
    record = records.model_record(store, of_model)
    for precision in (0.0, 0.6, 0.8, 0.999):
        for least, row in zip(least_confidences(record, precision), of_model["thresholds"], strict=True):
            assert least == next((c for c, reached, _ in row["steps"] if reached >= precision), np.inf)
    of_model.pop("thresholds")
    assert records.model_record(store, of_model)["thresholds"] is None


def test_a_version_shows_from_which_confidence_on_each_class_is_95_percent_right(store: str):
    record = records.model_record(store, records.metrics())
    for row, steps in zip(
        record["thresholds"], ([(0.5, 0.9), (0.876, 0.951)], [(0.5, 0.9)], []), strict=True
    ):
        row["steps"] = steps
    assert confidences(record) == ["0.876", "never", "never"]
    assert confidences(record | {"thresholds": None}) == ["\N{EN DASH}"] * 3
