"""The networks are the ones named, with preprocessing inside."""

import keras
import numpy as np
import pytest

from tasks.errors import JobError
from tasks.networks import architectures


def test_the_cnn_is_the_notebooks():
    assert architectures.build_cnn(classes=6, size_px=150, dropout=0.5).count_params() == 10_637_126


def test_the_frozen_base_is_mobilenet_v2s():
    base = architectures.load_base(150, "none")
    assert base.count_params() == 2_257_984
    whole = architectures.build_mobilenet_v2(classes=6, size_px=150)
    assert whole.count_params() == 2_257_984 + (96 + 160 + 1280) * 6 + 6


def test_batch_norm_never_trains():
    whole = architectures.build_mobilenet_v2(classes=3, size_px=64, weights="none")
    norms = [
        layer
        for layer in whole.get_layer(architectures.BASE_NAME).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(norms) == 52
    assert not any(layer.trainable for layer in norms)
    images = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    mean_before = norms[0].moving_mean.numpy().copy()
    whole(images, training=True)
    assert np.array_equal(mean_before, norms[0].moving_mean.numpy())


@pytest.mark.parametrize("build", [architectures.build_cnn, architectures.build_mobilenet_v2])
def test_bytes_in_probabilities_out_and_the_same_after_saving(build, tmp_path):
    model = build(3, 64, 0.5)
    images = np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3), dtype=np.uint8)
    probabilities = model(images, training=False).numpy()
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert np.array_equal(probabilities, loaded(images, training=False).numpy())


def test_weights_that_do_not_fit_are_refused_in_words(tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"not weights")
    with pytest.raises(JobError, match="--weights none"):
        architectures.load_base(96, str(tmp_path / "broken.h5"))
