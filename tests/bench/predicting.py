"""Bulk classification, beside the bare model and beside two ways one would write it oneself."""

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import keras
import numpy as np
import pyarrow.parquet as pq
import ray
from rich.console import Console

from flows.classify import classify
from flows.runtime import prefect_api
from tasks.classifier import Classifier
from tasks.predictions import BATCH
from tests.bench.measure import Measured, best_rate
from tests.stores import untrained_store

SIZE = 150
PRELOADED = 16 * BATCH


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    for kind in ("cnn", "mobilenet_v2"):
        store = untrained_store(scratch / f"store-{kind}", kind, SIZE)
        model = f"{store}/models/v1/model.keras"
        what = f"classify with {kind}, decoding and writing"
        rate = classify_rate(images, store, scratch / f"out-{kind}")
        yield Measured(what, rate, "the bare model on batches in memory", bare_rate(model))
        yield Measured(
            what, rate, "Keras predict over image_dataset_from_directory", keras_rate(images, model)
        )
        yield Measured(what, rate, "a Ray Data map_batches pipeline", ray_data_rate(images, model, scratch))


def classify_rate(images: Path, store: str, output: Path) -> float:
    """Images a second between the first parts' commits and the last; what came before is told apart."""
    with prefect_api():
        started = time.time()
        summary = classify(str(images), store, str(output))
        ended = time.time()
    parts = sorted((part.stat().st_mtime, pq.read_metadata(part).num_rows) for part in output.glob("part-*"))
    first = len(parts) // 4  # all workers are at work by then
    rate = sum(rows for _, rows in parts[first + 1 :]) / (parts[-1][0] - parts[first][0])
    Console(stderr=True).print(
        f"classify, all of it: {ended - started:.1f} s for {summary['images']:,} files; "
        f"{parts[0][0] - started:.1f} s until the first part was written"
    )
    return rate


def bare_rate(model: str) -> float:
    classifier = Classifier(model)
    pixels = np.random.default_rng(0).integers(0, 255, (PRELOADED, SIZE, SIZE, 3), dtype=np.uint8)
    classifier.predict(pixels[:BATCH])
    return best_rate(lambda: classifier.predict(pixels), PRELOADED)


def keras_rate(images: Path, model: str) -> float:
    dataset = keras.utils.image_dataset_from_directory(
        str(images), labels=None, image_size=(SIZE, SIZE), batch_size=BATCH, verbose=False
    )
    loaded = keras.models.load_model(model)
    loaded.predict(dataset.take(1), verbose=0)
    seen = len(dataset.file_paths)
    return best_rate(lambda: loaded.predict(dataset, verbose=0), seen, rounds=1)


class Predictor:
    """What a user of Ray Data writes: load once, predict a batch."""

    def __init__(self, model: str):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        self._model = keras.models.load_model(model)

    def __call__(self, batch: dict) -> dict:
        return {
            "path": batch["path"],
            "probabilities": self._model.predict_on_batch(np.stack(list(batch["pixels"]))),
        }


def decoded(batch: dict) -> dict:
    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) for data in batch["bytes"]]
    return {"path": batch["path"], "pixels": np.stack([cv2.resize(one, (SIZE, SIZE)) for one in pictures])}


def ray_data_rate(images: Path, model: str, scratch: Path) -> float:
    """The whole pipeline but for its start: workers' imports and model loading are not counted."""
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    files = sorted(str(path) for path in images.rglob("*.jpg"))
    seconds = []
    for count in (2 * BATCH, len(files)):
        started = time.perf_counter()
        (
            ray.data.read_binary_files(files[:count], include_paths=True)
            .map_batches(decoded, batch_size=BATCH)
            .map_batches(Predictor, batch_size=BATCH, concurrency=2, fn_constructor_args=(model,))
            .write_parquet(str(scratch / f"ray-data-{count}"), mode="overwrite")
        )
        seconds.append(time.perf_counter() - started)
    ray.shutdown()
    return (len(files) - 2 * BATCH) / (seconds[1] - seconds[0])
