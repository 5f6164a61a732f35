"""Bulk classification as one would write it oneself: Keras, Ray Data, OpenVINO, PyTorch."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np
import ray

from flows.runtime import ray_options
from tasks import storage
from tasks.networks.engines import ONNX_BATCH, load_classifier
from tasks.networks.version import BATCH
from tasks.registry.versions import read_version
from tests.bench import torch_peer
from tests.bench.measure import (
    CORES,
    SIZE,
    is_installed,
    jpegs_below,
    picture_batches,
    pixels_of,
    rate_of,
)

RAY_DATA_TIMES = 4


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
        exact, int8 = storage.onnx_url(version.folder_url), storage.int8_url(version.folder_url)
        for name, model, precision in (
            ("float32", exact, "f32"),
            ("bfloat16", exact, "bf16"),
            ("int8", int8, "f32"),
        ):
            peers[f"threads and OpenVINO, {name}"] = partial(openvino_rate, images, model, precision)
    return peers | torch_peer.classification(version.kind, jpegs_below(images))


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


def openvino_rate(images: Path, model: str, precision: str) -> float:
    """Threads that read and decode, and OpenVINO's queue of requests on all cores, its loading not counted.

    It reads the same file as ONNX Runtime, with its quantization where it has one. precision: f32 or bf16,
    of what is not quantized; by itself it takes bf16 where the processor has it.
    """
    import openvino

    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": "NO"})
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}
    compiled = core.compile_model(core.read_model(model), "CPU", hints)
    queue, answers = openvino.AsyncInferQueue(compiled), []
    queue.set_callback(
        lambda request, count: answers.append((count, request.get_output_tensor(0).data.argmax(1)))
    )
    files = jpegs_below(images)

    def classify_all() -> None:
        for batch in picture_batches(files, ONNX_BATCH):
            queue.start_async({0: batch}, len(batch))
        queue.wait_all()

    queue.start_async({0: np.zeros((ONNX_BATCH, SIZE, SIZE, 3), np.uint8)}, 0)
    queue.wait_all()
    return rate_of(classify_all, len(files))
