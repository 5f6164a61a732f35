"""Builds the two networks, preprocessing inside: uint8 RGB in, probabilities out. Loads TensorFlow."""

import socket
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tasks import storage
from tasks.errors import JobError

BASE_NAME = "mobilenet_v2"
FREEZE_LAYER = "block_9_add"  # blocks 10 to 16 and the last convolution are fine-tuned above it
POOLED_LAYERS = ("block_12_add", "block_15_add")  # the head sees these beside the last layer
STALLED_SECONDS = 15  # a download of weights that stands still for so long fails


def build_cnn(classes: int, size_px: int, dropout: float = 0.0) -> keras.Model:
    """The notebook's network: 10,637,126 parameters at 150 px and six classes.

    dropout: share of the 82,944 flattened activations that are dropped; of the dense layer's 128, half that
    share. ReLU follows pooling instead of preceding it: the results are the same, in a quarter of the time.
    """
    return chain(
        keras.Input((size_px, size_px, 3), dtype="uint8", name="image"),
        [
            keras.layers.Rescaling(1 / 64, dtype="float32"),
            # Gives each picture mean 0 and deviation 1, so that its exposure does not matter.
            keras.layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, dtype="float32"),
            keras.layers.Conv2D(32, 3),
            keras.layers.MaxPooling2D(),
            keras.layers.ReLU(),
            keras.layers.Conv2D(64, 3),
            keras.layers.MaxPooling2D(),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(dropout / 2),
            *head(classes),
        ],
        "cnn",
    )


def build_mobilenet_v2(
    classes: int, size_px: int, dropout: float = 0.0, weights: str = "none"
) -> keras.Model:
    """MobileNetV2 (alpha 1) under global average pooling, dropout and a new head.

    Takes images uint8 [batch, size_px, size_px, 3], gives probabilities [batch, classes].
    weights: what the base starts from: `imagenet`, `none` (random) or the path of a weights file.

    The head sees the means of POOLED_LAYERS beside those of the last layer, 1,536 features in all, since the
    last layer keeps only what ImageNet's classes need. Source: Evci et al. 2022, "Head2Toe: Utilizing
    Intermediate Representations for Better Transfer Learning".

    The base's 2,257,984 parameters are frozen if pretrained, and trained if not. Every BatchNorm stays in
    inference mode either way, since its moving statistics are not synchronised across workers.
    """
    base = load_base(size_px, weights)
    base.trainable = weights == "none"
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    images = keras.Input((size_px, size_px, 3), dtype="uint8", name="image")
    features = pool_maps(base(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images))[1:])
    probabilities = apply_layers(features, [keras.layers.Dropout(dropout), *head(classes)])
    return keras.Model(images, probabilities, name="mobilenet_v2")


def pool_maps(maps: Sequence[Any]) -> Any:
    """The means of all channels of all maps, each [batch, height, width, channels]: [batch, features]."""
    means = [keras.layers.GlobalAveragePooling2D()(feature_map) for feature_map in maps]
    return keras.layers.Concatenate(name="features")(means)


def build_feature_extractor(base: keras.Model, size_px: int) -> keras.Model:
    """The base with preprocessing before it and pooling after it.

    Takes images uint8 [batch, size_px, size_px, 3], gives features float [batch, 1536].
    """
    images = keras.Input((size_px, size_px, 3), dtype="uint8", name="image")
    return keras.Model(images, pool_maps(base(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images))[1:]))


def settle_batch_norm(model: keras.Model, images: np.ndarray) -> None:
    """Set the statistics of every BatchNorm to those of `images`, uint8 [n, size_px, size_px, 3].

    A base with random weights needs this to train: else its activations shrink from layer to layer.
    Source: Kraehenbuehl et al. 2016, "Data-dependent Initializations of Convolutional Neural Networks".

    In a graph, which gives up each activation once it is read; a call of a Keras model keeps them all to its
    end: 5.4 GB for 128 images of 150 px, against 0.9.
    """
    norms = [
        layer
        for layer in model.get_layer(BASE_NAME).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in norms:
        layer.trainable, layer.momentum = True, 0.0
    tf.function(lambda batch: model(batch, training=True), autograph=False)(tf.constant(images))
    for layer in norms:
        layer.trainable, layer.momentum = False, 0.99


def frozen_part(whole: keras.Model, activations: bool) -> keras.Model:
    """The part of `mobilenet_v2` that a head is trained on: images to pooled features, float [batch, 1536].

    activations: whether to output the activations at FREEZE_LAYER too, float [batch, 10, 10, 64] at 150 px;
    in float16 they take a fifth of the picture's bytes.
    """
    base = whole.get_layer(BASE_NAME)
    rescaling = next(layer for layer in whole.layers if isinstance(layer, keras.layers.Rescaling))
    images = keras.Input(whole.input_shape[1:], dtype="uint8")
    freeze_map, *maps = base(rescaling(images))
    features = pool_maps(maps)
    return keras.Model(images, [features, freeze_map] if activations else [features])


def build_tail(whole: keras.Model) -> keras.Model:
    """The part of `mobilenet_v2` that fine-tuning trains: activations at FREEZE_LAYER to logits.

    It shares the variables of `whole`. Every BatchNorm in it stays in inference mode.
    """
    base = whole.get_layer(BASE_NAME)
    freeze_map, *maps_above = base.outputs
    blocks = keras.Model(freeze_map, maps_above, name="blocks")
    blocks.trainable = True
    for layer in blocks.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    inputs = keras.Input(blocks.input_shape[1:], dtype="float16", name="activations")
    layers_after_pooling = whole.layers[whole.layers.index(whole.get_layer("features")) + 1 : -1]
    features = pool_maps(blocks(inputs))
    return keras.Model(inputs, apply_layers(features, layers_after_pooling), name="tail")


def build_head(classes: int, width: int, dropout: float) -> keras.Model:
    """The head alone, for training on cached features float16 [batch, width].

    Its variables fit the head of `mobilenet_v2`.
    """
    layers = [keras.layers.Dropout(dropout), *head(classes)]
    return chain(keras.Input((width,), dtype="float16", name="features"), layers, "head")


def head(classes: int) -> list[keras.layers.Layer]:
    """The layers of logits and probabilities, float32 whatever precision the other layers have."""
    return [
        keras.layers.Dense(classes, dtype="float32", name="logits"),
        keras.layers.Activation("softmax", dtype="float32", name="probabilities"),
    ]


def chain(inputs: Any, layers: Sequence[keras.layers.Layer], name: str) -> keras.Model:
    return keras.Model(inputs, apply_layers(inputs, layers), name=name)


def apply_layers(values: Any, layers: Sequence[keras.layers.Layer]) -> Any:
    for layer in layers:
        values = layer(values)
    return values


def with_features(model: keras.Model) -> keras.Model:
    """The model with a second output: what its head sees, [batch, features]. It shares the variables."""
    return keras.Model(model.input, [model.output, model.get_layer("logits").input], name=model.name)


def submodel_up_to(model: keras.Model, layer: str) -> keras.Model:
    """The part of `model` up to the output of a layer (`features`, `logits`), sharing its variables."""
    return keras.Model(model.input, model.get_layer(layer).output, name=f"{model.name}_{layer}")


def load_base(size_px: int, weights: str) -> keras.Model:
    """MobileNetV2 without its head: images to the maps of FREEZE_LAYER, POOLED_LAYERS and its last layer.

    Raises JobError when the weights do not fit or cannot be downloaded, which includes a server that sends
    nothing for STALLED_SECONDS.
    """
    source = None if weights == "none" else weights
    if weights not in ("none", "imagenet"):
        source = storage.local_copy(weights)
    default_timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED_SECONDS)  # Keras sets none and would wait for ever
    try:
        base = keras.applications.MobileNetV2(
            input_shape=(size_px, size_px, 3), include_top=False, weights=source
        )
    except Exception as error:  # Keras raises bare Exception for a failed download, h5py errors of many kinds
        if source is None:
            raise
        raise JobError(
            f"MobileNetV2's weights could not be loaded from {weights!r}: {str(error).splitlines()[0]}. "
            "Pass `--weights PATH` with a downloaded mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224"
            "_no_top.h5, or `--weights none` to train from random weights."
        ) from error
    finally:
        socket.setdefaulttimeout(default_timeout)
    maps = [base.get_layer(name).output for name in (FREEZE_LAYER, *POOLED_LAYERS)]
    return keras.Model(base.input, [*maps, base.output], name=BASE_NAME)


def resize_base(base: keras.Model, size_px: int) -> keras.Model:
    """A base with the weights of `base` for images of another size.

    Loading "imagenet" at that size could give other weights: Keras has several, by the size of the images.
    """
    resized = load_base(size_px, "none")
    resized.set_weights(base.get_weights())
    return resized
