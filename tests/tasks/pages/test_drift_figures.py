"""The figure of drift shows each drifted feature beside what the model was judged on."""

import numpy as np

from tasks.evaluation import drift
from tasks.pages import style
from tasks.pages.drift_figures import drift_distributions
from tests.tasks.pages.test_model_figures import finding


def snapshot(brightness: float, label: str) -> dict:
    values = {"confidence": 0.9, "brightness": brightness, "sharpness": 300.0}
    looks = {name: np.full(500, value) for name, value in values.items()}
    return drift.snapshot({"a": 0, "b": 0} | {label: 500}, drift.histograms(looks))


def test_each_drifted_feature_is_drawn_with_its_distances_over_the_reference():
    before, now = snapshot(0.2, "a"), snapshot(0.8, "b")
    drifted = [record for record in drift.compare(before, now) if record["drifted"]]
    figure = drift_distributions(drifted, before, now, drift.EDGES)
    assert finding(figure) == "Drifted since the model was judged: labels and brightness"
    labels, brightness = figure.axes
    assert labels.get_title(loc="left").startswith("labels: stability index")
    assert brightness.get_title(loc="left").endswith("KS distance 1.00")
    reference, current = brightness.patches
    assert reference.get_data().values.argmax() < current.get_data().values.argmax()
    assert [bar.get_height() for bar in labels.patches] == [1.0, 0.0, 0.0, 1.0]
    assert style.png(figure)
