"""Bulk classification within a part, against the bare model on batches that lie in memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tasks import models
from tasks.classifier import BATCH, Classifier
from tasks.manifest import list_files
from tasks.predictions import predict_files
from tasks.registry import ModelVersion
from tests.bench.measure import Measured, best_rate

FILES = 1024
SIZE = 150
CLASSES = tuple("abcdef")


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    files = [file for file in list_files(str(images)) if file.path.endswith(".jpg")][:FILES]
    batch = np.random.default_rng(0).integers(0, 255, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
    for kind in ("cnn", "mobilenet_v2"):
        path = str(scratch / f"{kind}.keras")
        models.build(kind, len(CLASSES), SIZE, 0.0, "none").save(path)
        classifier = Classifier(path)
        version = ModelVersion(kind, kind, path, "", CLASSES, SIZE, 1.0)
        classifier.predict(batch)
        yield Measured(
            f"classify a part with {kind}",
            best_rate(lambda: list(predict_files(str(images), files, classifier, version)), len(files), 2),  # noqa: B023
            "the same model on a batch in memory",
            best_rate(lambda: classifier.predict(batch), BATCH, 5),  # noqa: B023
        )
