"""Grad-CAM: where in a picture a model sees its evidence for a class. Loads TensorFlow."""

import cv2
import keras
import numpy as np
import tensorflow as tf

from tasks.networks.archive import load_model


def evidence(model_url: str, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Grad-CAM heat maps of a model.keras: how much each place of an image speaks for a class.

    images: uint8 [n, size_px, size_px, 3]. classes: int [n, k], the numbers of k classes for each image.
    Returns float16 [n, k, height, width], with the size of the model's largest last map. The largest value of
    a heat map is 1, or 0 where nothing speaks for the class.

    Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization". Where several maps reach the head, their heat is summed, weighted by area: for a head that
    is linear in the means of the maps, as MobileNetV2's here, that is the contribution of each place to the
    score.
    """
    model = load_model(model_url, None)
    last = last_maps(model)
    model_to_maps = keras.Model(model.input, last)
    maps_to_logits = keras.Model(last, model.get_layer("logits").output)
    outputs = tf.nest.flatten(model_to_maps(images, training=False))
    maps = [tf.cast(output, tf.float32) for output in outputs]
    shape = max(tuple(feature_map.shape[1:3]) for feature_map in maps)
    heat = [heat_maps(maps_to_logits, maps, column, shape) for column in classes.T]
    return np.stack(heat, axis=1).astype(np.float16)


def last_maps(model: keras.Model) -> list[keras.KerasTensor]:
    """The maps [batch, height, width, channels] that flattening or pooling layers turn into vectors."""
    return [
        layer.input
        for layer in model.layers
        if isinstance(layer.input, keras.KerasTensor)
        and isinstance(layer.output, keras.KerasTensor)
        and len(layer.input.shape) == 4 > len(layer.output.shape)
    ]


def heat_maps(
    maps_to_logits: keras.Model, maps: list[tf.Tensor], classes: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """The heat map of each image for one class, float [n, height, width]. classes: int [n]."""
    with tf.GradientTape() as tape:
        tape.watch(maps)
        scores = tf.gather(maps_to_logits(maps, training=False), classes, batch_dims=1)
    total = np.zeros((len(classes), *shape), np.float32)
    for feature_map, gradient in zip(maps, tape.gradient(scores, maps), strict=True):
        # The sum instead of the mean of Grad-CAM weights each map by its area.
        weights = tf.reduce_sum(gradient, axis=(1, 2), keepdims=True)
        heat = tf.reduce_sum(weights * feature_map, axis=-1).numpy()
        total += np.stack([cv2.resize(image, shape[::-1], interpolation=cv2.INTER_LINEAR) for image in heat])
    positive = np.maximum(total, 0.0)
    return positive / np.maximum(positive.max(axis=(1, 2), keepdims=True), 1e-12)
