"""Confidence against what came true, on cases worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss

from tasks.evaluation.calibration import (
    brier_score,
    calibration_error_of_chance,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    scale_temperature,
)
from tests.tasks.evaluation.draws import predictions


def test_calibration_error_of_a_case_worked_out_by_hand():
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 4)
    labels = np.array([0, 0, 0, 1, 0, 0, 1, 1])
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.5 * 0.15 + 0.5 * 0.10)


def test_chance_explains_the_error_of_a_calibrated_model_but_not_of_an_overconfident_one():
    exceeds_chance = []
    for temperature in (1.0, 0.5):
        labels, probabilities = predictions(rows=1000, temperature=temperature)
        chance = calibration_error_of_chance(probabilities, labels)
        exceeds_chance.append(expected_calibration_error(probabilities, labels) > chance)
        assert 0.01 < chance < 0.05
    assert exceeds_chance == [False, True]


def test_brier_score_of_a_case_worked_out_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    first, second = 0.3**2 + 0.2**2 + 0.1**2, 0.1**2 + 0.9**2 + 0.8**2
    assert brier_score(probabilities, np.array([0, 1])) == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_scaling_undoes_over_and_underconfidence(temperature: float):
    labels, probabilities = predictions(temperature=1 / temperature)
    fitted = fit_temperature(probabilities, labels)
    assert fitted == pytest.approx(temperature, rel=0.1)
    scaled = scale_temperature(probabilities, fitted)
    assert expected_calibration_error(scaled, labels) < 0.03
    assert np.array_equal(scaled.argmax(1), probabilities.argmax(1))


def test_few_images_hardly_mistaken_do_not_make_a_model_certain():
    few, many = (
        fit_temperature(
            np.tile([0.8, 0.05, 0.05, 0.05, 0.05], (count, 1)), (np.arange(count) % 55 == 0).astype(int)
        )
        for count in (55, 55_000)
    )
    assert many < 0.55 < 0.6 < few < 1


def test_log_loss_is_scikit_learns():
    labels, probabilities = predictions()
    assert log_loss(probabilities, labels) == pytest.approx(sklearn_log_loss(labels, probabilities), rel=1e-5)
