"""Bulk classification, beside the bare model and beside the ways one would write it oneself."""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import get_args
from unittest.mock import patch

import cv2
import keras
import numpy as np
import ray
from rich.console import Console

from flows.classify import classify
from flows.runtime import prefect_api, ray_options
from tasks import storage
from tasks.networks.engines import ONNX_BATCH, load_classifier
from tasks.networks.version import BATCH, ModelVersion
from tasks.parameters import Classification, Engine
from tasks.registry.versions import read_version
from tests.bench.measure import Measured, alternate, is_installed, rate_of, steady_rate
from tests.untrained import untrained_store

SIZE = 150
CORES = os.cpu_count() or 1
PRELOADED = 8 * BATCH
BARE_ROUNDS = 4
RAY_DATA_TIMES = 4
KINDS = ("cnn", "mobilenet_v2")
BARE = {
    "one session on all cores": (1, CORES),
    "one process a core": (CORES, 1),
}  # processes, threads of each


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    for kind in KINDS:
        store = untrained_store(scratch / f"store-{kind}", kind, SIZE)
        ours = {engine: f"classify with {kind}, engine {engine}" for engine in get_args(Engine)}
        peers = peers_of(images, store, scratch)
        contenders: dict[str, Callable[[], float]] = dict(peers)
        for engine, name in ours.items():
            contenders[name] = partial(classify_rate, images, store, scratch, engine)
            for how, (processes, threads) in BARE.items():
                contenders[bare_name(engine, how)] = partial(bare_rate, store, engine, processes, threads)
        rates = alternate(contenders)
        yield Measured.of(ours["int8"], ours["exact"], rates)
        for engine, name in ours.items():
            for how in BARE:
                yield Measured.of(name, bare_name(engine, how), rates)
        for peer in peers:
            yield Measured.of(ours["int8" if "int8" in peer else "exact"], peer, rates)


def bare_name(engine: Engine, how: str) -> str:
    return f"the bare model, {engine}, {how}"


def peers_of(images: Path, store: str, scratch: Path) -> dict[str, Callable[[], float]]:
    """What one would write oneself, by name; what takes a package that is not installed is left out."""
    version = read_version(store, "champion")
    peers: dict[str, Callable[[], float]] = {
        "Keras predict over image_dataset_from_directory": partial(
            keras_rate, images, storage.model_url(version.folder_url)
        ),
        "Ray Data map_batches with ONNX Runtime": partial(ray_data_rate, images, store, scratch),
    }
    if is_installed("openvino"):
        peers["threads and OpenVINO"] = partial(openvino_rate, images, storage.onnx_url(version.folder_url))
        peers["threads and OpenVINO, int8"] = partial(
            openvino_rate, images, storage.int8_url(version.folder_url)
        )
    return peers


def classify_rate(images: Path, store: str, scratch: Path, engine: Engine) -> float:
    """Images a second between the first parts' commits and the last; what came before is told apart."""
    output = Path(tempfile.mkdtemp(dir=scratch)) / "output"
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


def bare_rate(store: str, engine: Engine, processes: int, threads: int) -> float:
    """The engine that classify uses, on batches in memory, with nothing to read, decode or write."""
    spawn = multiprocessing.get_context("spawn")
    together, rates = spawn.Barrier(processes), spawn.SimpleQueue()
    workers = [
        spawn.Process(target=bare_process, args=(store, engine, threads, together, rates))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    rate = sum(rates.get() for _ in workers)
    for worker in workers:
        worker.join()
    return rate


def of_engine(store: str, engine: Engine) -> ModelVersion:
    version = read_version(store, "champion")
    return version.by_int8() if engine == "int8" else version


def bare_process(store: str, engine: Engine, threads: int, together: Barrier, rates: SimpleQueue) -> None:
    with patch("tasks.networks.engines.granted_cpus", return_value=threads):
        classifier = load_classifier(of_engine(store, engine))
    pixels = np.random.default_rng(0).integers(0, 255, (PRELOADED, SIZE, SIZE, 3), dtype=np.uint8)
    classifier.predict(pixels[:BATCH])
    together.wait()
    rates.put(
        rate_of(lambda: [classifier.predict(pixels) for _ in range(BARE_ROUNDS)], BARE_ROUNDS * PRELOADED)
    )


def keras_rate(images: Path, model: str) -> float:
    dataset = keras.utils.image_dataset_from_directory(
        str(images), labels=None, image_size=(SIZE, SIZE), batch_size=BATCH, verbose=False
    )
    loaded = keras.models.load_model(model)
    loaded.predict(dataset.take(1), verbose=0)
    return rate_of(lambda: loaded.predict(dataset, verbose=0), len(dataset.file_paths))


class Predictor:
    """What a user of Ray Data writes: load once, predict a batch."""

    def __init__(self, store: str):
        self._classifier = load_classifier(read_version(store, "champion"))

    def __call__(self, batch: dict) -> dict:
        pixels = np.stack(list(batch["pixels"]))
        return {"path": batch["path"], "probabilities": self._classifier.predict(pixels)}


def decoded(batch: dict) -> dict:
    return {"path": batch["path"], "pixels": np.stack([pixels_of(content) for content in batch["bytes"]])}


def pixels_of(content: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    return picture if picture.shape[:2] == (SIZE, SIZE) else cv2.resize(picture, (SIZE, SIZE))


def jpegs_below(images: Path) -> list[str]:
    return sorted(str(path) for path in images.rglob("*.jpg"))


def ray_data_rate(images: Path, store: str, scratch: Path) -> float:
    """The whole pipeline but for its start: the second run of few files, its workers warm, is taken off.

    Each file is read several times, or the start would be most of it.
    """
    ray.init(address="local", include_dashboard=False, **ray_options())
    ray.data.DataContext.get_current().enable_progress_bars = False
    files = jpegs_below(images) * RAY_DATA_TIMES
    seconds = []
    for count in (2 * BATCH, 2 * BATCH, len(files)):
        started = time.perf_counter()
        (
            ray.data.read_binary_files(files[:count], include_paths=True)
            .map_batches(decoded, batch_size=BATCH)
            .map_batches(
                Predictor,
                batch_size=BATCH,
                compute=ray.data.ActorPoolStrategy(size=CORES),
                num_cpus=0.5,  # with a whole CPU each they leave none to read with, and the pipeline stands
                fn_constructor_args=(store,),
            )
            .write_parquet(str(scratch / f"ray-data-{count}"), mode="overwrite")
        )
        seconds.append(time.perf_counter() - started)
    ray.shutdown()
    return (len(files) - 2 * BATCH) / (seconds[2] - seconds[1])


def openvino_rate(images: Path, model: str) -> float:
    """Threads that read and decode, and OpenVINO's queue of requests on all cores, its loading not counted.

    It reads the same file as ONNX Runtime, with its quantization where it has one.
    """
    import openvino

    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": "NO"})
    compiled = core.compile_model(core.read_model(model), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    queue, answers = openvino.AsyncInferQueue(compiled), []
    queue.set_callback(
        lambda request, count: answers.append((count, request.get_output_tensor(0).data.argmax(1)))
    )
    files = jpegs_below(images)

    def classify_all() -> None:
        with ThreadPoolExecutor(CORES) as pool:
            pixels = pool.map(lambda path: pixels_of(Path(path).read_bytes()), files)
            while batch := list(islice(pixels, ONNX_BATCH)):
                queue.start_async({0: np.stack(batch)}, len(batch))
        queue.wait_all()

    queue.start_async({0: np.zeros((ONNX_BATCH, SIZE, SIZE, 3), np.uint8)}, 0)
    queue.wait_all()
    return rate_of(classify_all, len(files))
