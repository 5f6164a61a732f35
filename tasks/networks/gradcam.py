"""Where in a picture a model found its evidence for a class. Imported by workers only."""

import cv2
import keras
import numpy as np
import tensorflow as tf

from tasks.networks.archive import load_model


def evidence(uri: str, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Grad-CAM of the model at `uri`: what speaks for a class, by place, each map from 0 to 1 at its height.

    images: uint8 [n, size_px, size_px, 3]. classes: int [n, k], those asked about for each image.
    Returns float16 [n, k, height, width], the size of the model's largest last map.

    Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization". Where several maps reach the head, theirs are added up by area: for a head that is linear
    in the maps' means, as MobileNetV2's here, that is each place's part in the score.
    """
    model = load_model(uri, None)
    last = last_maps(model)
    below = keras.Model(model.input, last)
    above = keras.Model(last, model.get_layer("logits").output)
    maps = [tf.cast(each, tf.float32) for each in tf.nest.flatten(below(images, training=False))]
    shape = max(tuple(each.shape[1:3]) for each in maps)
    found = [heat(above, maps, column, shape) for column in classes.T]
    return np.stack(found, axis=1).astype(np.float16)


def last_maps(model: keras.Model) -> list[keras.KerasTensor]:
    """The maps [batch, height, width, channels] that flattening or pooling layers take to a vector."""
    return [
        layer.input
        for layer in model.layers
        if isinstance(layer.input, keras.KerasTensor)
        and isinstance(layer.output, keras.KerasTensor)
        and len(layer.input.shape) == 4 > len(layer.output.shape)
    ]


def heat(
    above: keras.Model, maps: list[tf.Tensor], classes: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """One map float [n, height, width] an image, for the class of each."""
    with tf.GradientTape() as tape:
        tape.watch(maps)
        scores = tf.gather(above(maps, training=False), classes, batch_dims=1)
    total = np.zeros((len(classes), *shape), np.float32)
    for each, gradient in zip(maps, tape.gradient(scores, maps), strict=True):
        weights = tf.reduce_sum(gradient, axis=(1, 2), keepdims=True)  # by area, so that maps can be added
        parts = tf.reduce_sum(weights * each, axis=-1).numpy()
        total += np.stack([cv2.resize(part, shape[::-1], interpolation=cv2.INTER_LINEAR) for part in parts])
    positive = np.maximum(total, 0.0)
    return positive / np.maximum(positive.max(axis=(1, 2), keepdims=True), 1e-12)
