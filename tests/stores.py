"""A store whose champion is an untrained network: its rows need not be right, only the same."""

from pathlib import Path

import keras
import numpy as np

from tasks import models, storage
from tasks.export import export_onnx
from tasks.gate import promote_by_hand

CLASSES = tuple("abcdef")


def untrained_store(folder: Path, kind: str, size_px: int) -> str:
    """A store at `folder` with one version, `v1`, of an untrained `cnn` or `mobilenet_v2` as champion."""
    keras.utils.set_random_seed(0)
    place = folder / "models" / "v1"
    place.mkdir(parents=True)
    models.build(kind, len(CLASSES), size_px, 0.0, "none").save(place / "model.keras")
    pictures = np.random.default_rng(0).integers(0, 255, (64, size_px, size_px, 3), dtype=np.uint8)
    assert export_onnx(str(place / "model.keras"), pictures)
    record = {
        "version": "v1",
        "kind": kind,
        "sha256": storage.sha256((place / "model.keras").read_bytes()),
        "onnx_sha256": storage.sha256((place / "model.onnx").read_bytes()),
        "classes": list(CLASSES),
        "size_px": size_px,
        "temperature": 1.0,
        "dataset": "none",
        "created": "",
    }
    storage.write_json(str(place / "model.json"), record)
    promote_by_hand(str(folder), "v1")
    return str(folder)
