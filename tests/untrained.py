"""Untrained networks for tests whose answers need not be right, only the same."""

from pathlib import Path

import keras
import numpy as np

from tasks import storage
from tasks.networks import architectures
from tasks.networks.convert import export_onnx
from tasks.networks.quantize import quantize
from tasks.registry.gate import promote_by_hand

CLASSES = tuple("abcdef")


def tiny(classes: int, size_px: int) -> keras.Model:
    """A network that costs next to nothing."""
    pixels = keras.Input((size_px, size_px, 3), dtype="uint8", name="image")
    layers = [
        keras.layers.Rescaling(1 / 255, dtype="float32"),
        keras.layers.Conv2D(8, 4, strides=4, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        *architectures.head(classes),
    ]
    return architectures.chain(pixels, layers, "tiny")


BUILD = {
    "cnn": architectures.build_cnn,
    "mobilenet_v2": architectures.build_mobilenet_v2,
    "tiny": tiny,
}


def untrained_store(folder: Path, kind: str, size_px: int) -> str:
    """A store at `folder` with one version, `v1`, of an untrained network of BUILD as champion."""
    keras.utils.set_random_seed(0)
    place = folder / "models" / "v1"
    place.mkdir(parents=True)
    BUILD[kind](len(CLASSES), size_px).save(place / "model.keras")
    assert export_onnx(str(place), noise(64, size_px))
    (place / "model.int8.onnx").write_bytes(quantize((place / "model.onnx").read_bytes(), noise(16, size_px)))
    record = {
        "version": "v1",
        "kind": "cnn" if kind == "tiny" else kind,  # no version is of another
        "sha256": storage.sha256((place / "model.keras").read_bytes()),
        "onnx_sha256": storage.sha256((place / "model.onnx").read_bytes()),
        "int8": {"kept": True, "temperature": 1.0, "unlike_below": None, "images": 64, "alike": 0.9}
        | {"accuracy": 0.2, "exact_accuracy": 0.2, "cost": 0.0, "cost_high": 0.0}
        | {"sha256": storage.sha256((place / "model.int8.onnx").read_bytes())},
        "classes": list(CLASSES),
        "size_px": size_px,
        "temperature": 1.0,
        "metrics": {"images": 64, "accuracy": 0.2, "low": 0.1, "high": 0.3},
        "dataset": "none",
        "created": "",
    }
    storage.write_json(str(place / "model.json"), record)
    promote_by_hand(str(folder), "v1")
    return str(folder)


def settled_base(path: Path, size_px: int) -> str:
    """Write weights of MobileNetV2 without its head to `path`, drawn by chance and settled on noise.

    Left as drawn, what they say of an image is 1e-7: nothing in half a float.
    """
    keras.utils.set_random_seed(0)
    whole = architectures.build_mobilenet_v2(len(CLASSES), size_px)
    architectures.settle_batch_norm(whole, noise(32, size_px))
    whole.get_layer(architectures.BASE_NAME).save_weights(path)
    return str(path)


def noise(images: int, size_px: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (images, size_px, size_px, 3), dtype=np.uint8)
