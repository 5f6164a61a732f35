"""`make bench-gpu`: what the GPUs of this machine make of training and classification, each beside its limit.

Takes no network: MobileNetV2 starts from random weights. With no GPU it says so and ends.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from tasks.dataset.index import commit_dataset
from tasks.dataset.manifest import list_images
from tasks.dataset.parts import decode_part, plan_parts
from tasks.dataset.reader import Split
from tasks.networks import architectures
from tasks.networks.keras_engine import TensorflowClassifier, gpu_batch, use_granted_resources
from tasks.parameters import ModelKind, Training
from tasks.training import frozen, loop
from tasks.training.batches import ImageExamples, epoch_batches
from tasks.training.loop import FitPlan, Fitting
from tests.bench.decoding import bench as bench_decoding
from tests.bench.measure import Measured, best_rate, draw_whole_sample

BATCH_A_GPU = 128
SIZE = 150
CLASSES = 6
IMAGES_PER_CLASS = 1000
SAMPLED_SECONDS = 0.5  # between two looks at how busy the GPUs are
COMPARED = (("float32", True), ("bfloat16", False), ("float16", False), ("float16", True))  # True: by XLA
RECIPE = Training(batch_size=BATCH_A_GPU)


@dataclass(frozen=True)
class OnDevice:
    """What was measured, and beside it the first GPU's peak of memory (bytes) and mean load (0 to 100)."""

    measured: Measured
    peak_bytes: float | None
    load: float | None


def build(kind: ModelKind) -> keras.Model:
    if kind == "cnn":
        return architectures.build_cnn(CLASSES, SIZE, RECIPE.cnn.dropout)
    return architectures.build_mobilenet_v2(CLASSES, SIZE, RECIPE.mobilenet_v2.dropout)


def logits_of(kind: ModelKind) -> keras.Model:
    return architectures.submodel_up_to(build(kind), "logits")


def fitting_on(kind: ModelKind, devices: Sequence[str], rows: int) -> Fitting:
    """A model ready to train on these devices, BATCH_A_GPU images a step on each."""
    plan = FitPlan(
        "lamb" if kind == "cnn" else "adam",
        RECIPE.epochs,
        BATCH_A_GPU * len(devices),
        getattr(RECIPE, kind).learning_rate,
        RECIPE,
        rank=0,
        world_size=1,
    )
    return Fitting(lambda: logits_of(kind), tf.distribute.MirroredStrategy(devices), plan, rows)


def measure_training(
    kind: ModelKind, precision: str, split: Split, gpus: Sequence[str]
) -> Iterator[Measured]:
    """Epochs on one GPU beside the same step without input and beside Keras fit; on all beside one."""
    loop.set_precision(precision)
    examples = ImageExamples(split, getattr(RECIPE, kind).augmentation, 0)
    rows, name = len(examples.labels), f"{kind} epochs in {precision}"
    fitting = fitting_on(kind, gpus[:1], rows)
    loss, _ = fitting.run_epoch(examples, 1, training=True)
    if not np.isfinite(loss):
        sys.exit(f"{name}: the loss is {loss}")
    rate = best_rate(lambda: fitting.run_epoch(examples, 2, training=True), rows)
    batch = fitting._per_replica(next(epoch_batches(examples, np.arange(BATCH_A_GPU), 1, BATCH_A_GPU, 0, 1)))
    steps = rows // BATCH_A_GPU
    limit = best_rate(
        lambda: float([fitting._train(*batch) for _ in range(steps)][-1][0]), steps * BATCH_A_GPU
    )
    yield Measured(name, rate, "the same step on one batch in memory", limit)
    yield Measured(name, rate, "Keras fit, arrays in memory", fit_rate(kind, split))
    if len(gpus) > 1:
        many = fitting_on(kind, gpus, rows)
        many.run_epoch(examples, 1, training=True)
        all_gpus = best_rate(lambda: many.run_epoch(examples, 2, training=True), rows)
        yield Measured(f"{name} on {len(gpus)} GPUs", all_gpus, "as many times one", rate * len(gpus))


def fit_rate(kind: ModelKind, split: Split) -> float:
    """Images a second of Keras' own loop, without augmentation."""
    model = build(kind)
    model.compile("adam", "sparse_categorical_crossentropy")
    pixels = split.take(np.arange(len(split)))
    model.fit(pixels, split.labels, batch_size=BATCH_A_GPU, verbose=0)
    return best_rate(lambda: model.fit(pixels, split.labels, batch_size=BATCH_A_GPU, verbose=0), len(split))


def measure_features(split: Split, scratch: Path) -> Iterator[Measured]:
    """The pass over images and views by which MobileNetV2's frozen part is computed, once a training."""
    loop.set_precision("float32")
    part = architectures.frozen_part(build("mobilenet_v2"), activations=True)
    urls = [str(scratch / f"{name}.npy") for name in ("features", "activations")]
    views, varied = RECIPE.mobilenet_v2.views, RECIPE.mobilenet_v2.augmentation
    forward = tf.function(lambda images: part(images, training=False)[0], autograph=False)
    count = gpu_batch(SIZE)
    batch = tf.constant(split.take(np.arange(count)))
    forward(batch)
    steps = len(split) // count
    limit = best_rate(lambda: [forward(batch).numpy() for _ in range(steps)], steps * count)
    rate = best_rate(
        lambda: frozen._compute(part, split, np.arange(len(split)), views, varied, 0, urls),
        views * len(split),
        rounds=1,
    )
    yield Measured("MobileNetV2's frozen part, images and views", rate, "a forward pass from memory", limit)


def measure_classification(kind: ModelKind, split: Split, scratch: Path) -> Iterator[Measured]:
    """The engine that classify takes on a GPU, images in memory, beside larger batches of the same model."""
    loop.set_precision("float32")
    path = scratch / f"{kind}.keras"
    build(kind).save(path)
    classifier = TensorflowClassifier(str(path))
    pixels = split.take(np.arange(len(split)))
    classifier.predict(pixels)
    rate = best_rate(lambda: classifier.predict(pixels), len(pixels))
    forward = tf.function(lambda images: classifier.model(images, training=False), autograph=False)
    batch = tf.constant(np.resize(pixels, (classifier.batch, *pixels.shape[1:])))
    forward(batch)
    limit = best_rate(lambda: [forward(batch).numpy() for _ in range(4)], 4 * classifier.batch)
    what = f"{kind} classifies, {classifier.batch} a batch"
    yield Measured(what, rate, "such a batch that lies on the device", limit)
    for precision, compiled in COMPARED:
        loop.set_precision(precision)
        other = build(kind)
        loop.set_precision("float32")
        other.set_weights(classifier.model.get_weights())
        forward = tf.function(
            lambda images, other=other: other(images, training=False), autograph=False, jit_compile=compiled
        )
        forward(batch)
        other_rate = best_rate(lambda: [forward(batch).numpy() for _ in range(4)], 4 * classifier.batch)  # noqa: B023
        what = f"such a batch in {precision}{' by XLA' if compiled else ''}"
        yield Measured(what, other_rate, "in float32", limit)


def measure_product(folder: Path) -> Iterator[Measured]:
    """`retrain` and `classify` as they are run, on the GPUs and without them: accuracies and times."""
    summaries: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    exported: dict[str, int] = {}
    for name, gpus, environment in (("GPUs", "1", {}), ("CPUs", "0", {"CUDA_VISIBLE_DEVICES": ""})):
        store, output = folder / f"store-{name}", folder / f"output-{name}"
        inbox = ["--gpus-per-task", gpus, "--output", str(output)]
        darkroom = [sys.executable, "-m", "flows.cli"]
        common = ["--store", str(store), "--images"]
        options = ["--weights", "none", "--epochs", "4", "--min-accuracy", "0", "--min-class-recall", "0"]
        for command in (
            [*darkroom, "retrain", *common, str(folder / "images"), *options],
            [*darkroom, "classify", *common, str(folder / "images/seg_pred"), *inbox],
        ):
            subprocess.run(command, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL)
        [trained] = store.glob("runs/*/summary.json")
        exported[name] = len(list(store.glob("models/*/model.onnx")))
        summaries[name] = json.loads(trained.read_text()), json.loads((output / "summary.json").read_text())
    (on_gpus, classified), (on_cpus, classified_there) = summaries["GPUs"], summaries["CPUs"]
    for kind, summary in on_gpus["models"].items():
        accuracy, accuracy_there = (
            100 * there["test"]["accuracy"] for there in (summary, on_cpus["models"][kind])
        )
        yield Measured(f"darkroom retrain: {kind} on test", accuracy, "on CPUs", accuracy_there, "%")
    yield Measured(
        "models that agree with their model.onnx", exported["GPUs"], "on CPUs", exported["CPUs"], ""
    )
    yield Measured("darkroom retrain", on_gpus["seconds"], "on CPUs", on_cpus["seconds"], "s")
    yield Measured(
        f"darkroom classify by {', '.join(classified['engines'])}",
        classified["seconds"],
        f"by {', '.join(classified_there['engines'])}",
        classified_there["seconds"],
        "s",
    )


def watched(rows: Iterable[Measured]) -> Iterator[OnDevice]:
    """Each row with the peak of memory on the first GPU and how busy it was while the row was measured."""
    loads: list[float] = []
    ended = threading.Event()
    watcher = threading.Thread(target=sample_loads, args=(loads, ended), daemon=True)
    watcher.start()
    try:
        for row in rows:
            yield OnDevice(row, peak_bytes(), float(np.mean(loads)) if loads else None)
            loads.clear()
    finally:
        ended.set()
        watcher.join()


def peak_bytes() -> float | None:
    """The most memory that TensorFlow had on the first GPU since the row before; None without a GPU."""
    if not tf.config.list_logical_devices("GPU"):
        return None
    peak = float(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    tf.config.experimental.reset_memory_stats("GPU:0")
    return peak


def sample_loads(loads: list[float], ended: threading.Event) -> None:
    """Add how busy the first GPU is, in percent, until `ended`; nothing where there is no nvidia-smi."""
    if (command := which("nvidia-smi")) is None:
        return
    query = [command, "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    while not ended.wait(SAMPLED_SECONDS):
        answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
        if answer.isdigit():
            loads.append(float(answer))


def bench(gpus: Sequence[str], folder: Path, images_per_class: int) -> Iterator[OnDevice]:
    images = draw_whole_sample(folder / "images", images_per_class)
    manifest = list_images.fn(str(images), str(folder / "store"), SIZE, 0.1)
    dataset = commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 1.0)
    split = dataset.split("train")
    for kind in RECIPE.models:
        for precision in loop.PRECISIONS:
            yield from watched(measure_training(kind, precision, split, gpus))
    yield from watched(measure_features(split, folder))
    yield from watched(bench_decoding(images, folder))
    for kind in RECIPE.models:
        yield from watched(measure_classification(kind, split, folder))
    for row in measure_product(folder):  # processes of their own, whose memory is not seen here
        yield OnDevice(row, None, None)


def main() -> None:
    use_granted_resources()
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if not gpus:
        sys.exit(
            "TensorFlow sees no GPU here (`make setup LOCK=requirements-gpu.lock` installs its libraries)."
        )
    console = Console(width=160)
    table = Table("what", "rate", "limit or peer", "its rate", "ratio", "GPU memory", "GPU load", box=None)
    with tempfile.TemporaryDirectory() as folder:
        for row in bench(gpus, Path(folder), IMAGES_PER_CLASS):
            console.print(", ".join(filter(None, cells(row))))
            table.add_row(*cells(row))
    console.print(table)


def cells(row: OnDevice) -> list[str]:
    measured = row.measured
    return [
        measured.what,
        f"{measured.rate:,.1f} {measured.unit}",
        measured.against,
        f"{measured.limit:,.1f} {measured.unit}",
        f"{measured.rate / measured.limit:.2f}",
        "" if row.peak_bytes is None else f"{row.peak_bytes / 1e9:.1f} GB",
        "" if row.load is None else f"{row.load:.0f} %",
    ]


if __name__ == "__main__":
    main()
