"""Bulk classification, beside the bare model and beside two ways one would write it oneself."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from unittest.mock import patch

import cv2
import keras
import numpy as np
import ray
from rich.console import Console

from flows.classify import classify
from flows.runtime import prefect_api, ray_options
from tasks.networks.engines import load_classifier
from tasks.networks.version import BATCH
from tasks.parameters import Classification, Engine
from tasks.registry.versions import read_version
from tests.bench.measure import Measured, best_rate, steady_rate
from tests.untrained import untrained_store

SIZE = 150
PRELOADED = 8 * BATCH
BARE_ROUNDS = 8


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    for kind in ("cnn", "mobilenet_v2"):
        store = untrained_store(scratch / f"store-{kind}", kind, SIZE)
        what = f"classify with {kind}, decoding and writing"
        before = bare_rates(store)
        rate = classify_rate(images, store, scratch / f"out-{kind}")
        int8_rate = classify_rate(images, store, scratch / f"out-{kind}-int8", "int8")
        yield Measured(f"{what}, engine int8", int8_rate, "the same, engine exact", rate)
        for (how, early), late in zip(before.items(), bare_rates(store).values(), strict=True):
            yield Measured(what, rate, f"the bare model, {how}", (early + late) / 2)
        yield Measured(
            what,
            rate,
            "Keras predict over image_dataset_from_directory",
            keras_rate(images, f"{store}/models/v1/model.keras"),
        )
        yield Measured(what, rate, "a Ray Data map_batches pipeline", ray_data_rate(images, store, scratch))


def classify_rate(images: Path, store: str, output: Path, engine: Engine = "exact") -> float:
    """Images a second between the first parts' commits and the last; what came before is told apart."""
    with prefect_api():
        started = time.time()
        summary = classify(str(images), store, str(output), options=Classification(engine=engine))
        ended = time.time()
    first = min(part.stat().st_mtime for part in output.glob("part-*"))
    Console(stderr=True).print(
        f"classify with {', '.join(summary['engines'])}, all of it: {ended - started:.1f} s for "
        f"{summary['images']:,} files; "
        f"{first - started:.1f} s until the first part was written"
    )
    return steady_rate(output)


def bare_rates(store: str) -> dict[str, float]:
    """The engine that classify uses, on batches in memory, with nothing to read, decode or write.

    Neither is the best of rounds, since classify has none: a shared machine's speed changes by the second.
    """
    cores = os.cpu_count() or 1
    return {
        "one session on all cores": bare_rate(store, processes=1, threads=cores),
        "one process a core": bare_rate(store, processes=cores, threads=1),
    }


def bare_rate(store: str, processes: int, threads: int) -> float:
    spawn = multiprocessing.get_context("spawn")
    together, rates = spawn.Barrier(processes), spawn.SimpleQueue()
    workers = [
        spawn.Process(target=bare_process, args=(store, threads, together, rates)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    rate = sum(rates.get() for _ in workers)
    for worker in workers:
        worker.join()
    return rate


def bare_process(store: str, threads: int, together: Barrier, rates: SimpleQueue) -> None:
    with patch("tasks.networks.engines.granted_cpus", return_value=threads):
        classifier = load_classifier(read_version(store, "champion"))
    pixels = np.random.default_rng(0).integers(0, 255, (PRELOADED, SIZE, SIZE, 3), dtype=np.uint8)
    classifier.predict(pixels[:BATCH])
    together.wait()
    started = time.perf_counter()
    for _ in range(BARE_ROUNDS):
        classifier.predict(pixels)
    rates.put(BARE_ROUNDS * PRELOADED / (time.perf_counter() - started))


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

    def __init__(self, store: str):
        self._classifier = load_classifier(read_version(store, "champion"))

    def __call__(self, batch: dict) -> dict:
        pixels = np.stack(list(batch["pixels"]))
        return {"path": batch["path"], "probabilities": self._classifier.predict(pixels)}


def decoded(batch: dict) -> dict:
    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) for data in batch["bytes"]]
    return {"path": batch["path"], "pixels": np.stack([cv2.resize(one, (SIZE, SIZE)) for one in pictures])}


def ray_data_rate(images: Path, store: str, scratch: Path) -> float:
    """The whole pipeline but for its start: workers' imports and model loading are not counted."""
    ray.init(address="local", include_dashboard=False, **ray_options())
    ray.data.DataContext.get_current().enable_progress_bars = False
    files = sorted(str(path) for path in images.rglob("*.jpg"))
    seconds = []
    for count in (2 * BATCH, len(files)):
        started = time.perf_counter()
        (
            ray.data.read_binary_files(files[:count], include_paths=True)
            .map_batches(decoded, batch_size=BATCH)
            .map_batches(
                Predictor,
                batch_size=BATCH,
                compute=ray.data.ActorPoolStrategy(size=os.cpu_count()),
                num_cpus=0.5,  # with a whole CPU each they leave none to read with, and the pipeline stands
                fn_constructor_args=(store,),
            )
            .write_parquet(str(scratch / f"ray-data-{count}"), mode="overwrite")
        )
        seconds.append(time.perf_counter() - started)
    ray.shutdown()
    return (len(files) - 2 * BATCH) / (seconds[1] - seconds[0])
