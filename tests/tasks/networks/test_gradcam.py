"""Evidence is found where it lies."""

from pathlib import Path

import keras
import numpy as np

from tasks.networks import architectures
from tasks.networks.gradcam import evidence


def test_each_class_is_seen_where_its_colour_is(tmp_path: Path):
    images = keras.Input((8, 8, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(images)
    means = keras.layers.GlobalAveragePooling2D()(keras.layers.MaxPooling2D(2)(scaled))
    probabilities = architectures.apply_layers(means, architectures.head(3))
    model = keras.Model(images, probabilities)
    model.get_layer("logits").set_weights([np.eye(3), np.zeros(3)])
    model.save(tmp_path / "model.keras")
    picture = np.zeros((1, 8, 8, 3), np.uint8)
    picture[0, :2, :2, 0], picture[0, 6:, 6:, 2] = 255, 100
    [[red, blue, green]] = evidence(str(tmp_path / "model.keras"), picture, np.array([[0, 2, 1]]))
    expected = np.zeros((2, 4, 4))
    expected[0, 0, 0] = expected[1, 3, 3] = 1
    np.testing.assert_allclose([red, blue], expected, atol=1e-3)
    assert not green.any()
