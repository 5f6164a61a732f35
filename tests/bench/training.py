"""Training rates against a step without input, Keras' fit, one forward pass, end-to-end tuning."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tasks.dataset.index import commit_dataset
from tasks.dataset.manifest import list_images
from tasks.dataset.parts import decode_part, plan_parts
from tasks.dataset.reader import Split
from tasks.dataset.records import Dataset
from tasks.networks import architectures
from tasks.parameters import Augmentation, Training
from tasks.training import frozen, loop
from tasks.training.batches import CachedExamples, CachedRows, Examples, ImageExamples, epoch_batches
from tasks.training.loop import FitPlan, FitState, Fitting
from tests.bench.measure import Measured, best_rate

SIZE = 150
BATCH = 128
IMAGES = 10 * BATCH
RECIPE = Training(models=("cnn",))


class First:
    """The first examples of many."""

    def __init__(self, examples: Examples, count: int):
        self.labels = examples.labels[:count]
        self.gather = examples.gather


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    manifest = list_images.fn(str(images), str(scratch / "store"), SIZE, 0.1)
    dataset = commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 1.0)
    split = dataset.split("train")
    count = min(IMAGES, len(split) // BATCH * BATCH)
    examples = First(ImageExamples(split, RECIPE.cnn.augmentation, 0), count)
    yield from bench_cnn(dataset, split, examples)
    yield from bench_mobilenet(dataset, split, count, scratch)


CNN_PLAN = FitPlan(
    "lamb", RECIPE.epochs, BATCH, RECIPE.cnn.learning_rate, RECIPE, 0, 1, mixup=RECIPE.cnn.mixup
)
TAIL_PLAN = replace(
    CNN_PLAN,
    optimizer="adam",
    learning_rate=RECIPE.mobilenet_v2.fine_tune_learning_rate,
    mixup=RECIPE.mobilenet_v2.mixup,
)
HEAD_PLAN = replace(
    TAIL_PLAN,
    learning_rate=RECIPE.mobilenet_v2.learning_rate,
    training=Training(patience=RECIPE.epochs),
    mixup=0.0,
)


def fitting_of(build: Callable[[], keras.Model], plan: FitPlan, examples: Examples) -> Fitting:
    return Fitting(build, tf.distribute.get_strategy(), plan, len(examples.labels))


def bench_cnn(dataset: Dataset, split: Split, examples: Examples) -> Iterator[Measured]:
    count = len(examples.labels)

    def build() -> keras.Model:
        return architectures.submodel_up_to(
            architectures.build_cnn(len(dataset.classes), SIZE, RECIPE.cnn.dropout), "logits"
        )

    precision = loop.choose_precision("auto", build, tf.distribute.get_strategy(), CNN_PLAN, examples)
    fitting = fitting_of(build, CNN_PLAN, examples)
    fitting.run_epoch(examples, 1, training=True)
    rate = best_rate(lambda: fitting.run_epoch(examples, 1, training=True), count)
    batch = fitting._per_replica(next(epoch_batches(examples, np.arange(BATCH), 1, BATCH, 0, 1)))
    limit = best_rate(lambda: [float(fitting._train(*batch)[0]) for _ in range(count // BATCH)], count)
    yield Measured(f"CNN epochs in {precision}", rate, "the same step on one batch in memory", limit)
    loop.set_precision("float32")
    model = architectures.build_cnn(len(dataset.classes), SIZE, RECIPE.cnn.dropout)
    model.compile("adam", "sparse_categorical_crossentropy")
    pixels, labels = split.take(np.arange(count)), split.labels[:count]
    model.fit(pixels, labels, batch_size=BATCH, verbose=0)
    peer = best_rate(lambda: model.fit(pixels, labels, batch_size=BATCH, verbose=0), count, 2)
    yield Measured(
        f"CNN epochs in {precision}, augmented", rate, "Keras fit in float32, arrays in memory", peer
    )


def bench_mobilenet(dataset: Dataset, split: Split, count: int, scratch: Path) -> Iterator[Measured]:
    loop.set_precision("float32")
    whole = architectures.build_mobilenet_v2(len(dataset.classes), SIZE, 0.2, "none")
    base = architectures.frozen_part(whole, activations=True)
    views, varied = RECIPE.mobilenet_v2.views, RECIPE.mobilenet_v2.augmentation
    urls = [str(scratch / "features.npy"), str(scratch / "activations.npy")]
    forward = tf.function(lambda images: base(images, training=False))
    batch = tf.constant(split.take(np.arange(frozen.BATCH)))
    forward(batch)
    limit = best_rate(lambda: [forward(batch) for _ in range(count // frozen.BATCH)], count)
    started = time.perf_counter()
    frozen._compute(base, split, np.arange(len(split)), views, varied, 0, urls)
    cached = [CachedRows([np.load(url, mmap_mode="r")], np.array([0, len(split)])) for url in urls]
    head, tail = (CachedExamples(one, split.labels, 0) for one in cached)
    fit_head(dataset, head)
    seconds = time.perf_counter() - started
    yield Measured(
        f"MobileNetV2 frozen: {views} views and {RECIPE.epochs} epochs of the head, as one pass",
        len(split) * views / seconds,
        "one forward pass over images and views, from memory",
        limit,
    )
    yield from bench_fine_tuning(whole, split, First(tail, count), varied)


def fit_head(dataset: Dataset, head: Examples) -> None:
    width = head.gather(np.arange(1), 0).shape[1]

    def build() -> keras.Model:
        return architectures.submodel_up_to(
            architectures.build_head(len(dataset.classes), width, 0.2), "logits"
        )

    fitting = fitting_of(build, HEAD_PLAN, head)
    loop.fit(fitting, head, First(head, BATCH), FitState(), lambda _: None)


def bench_fine_tuning(
    whole: keras.Model, split: Split, tail: Examples, varied: Augmentation
) -> Iterator[Measured]:
    count = len(tail.labels)

    def build() -> keras.Model:
        return architectures.build_tail(whole)

    precision = loop.choose_precision("auto", build, tf.distribute.get_strategy(), TAIL_PLAN, tail)
    fitting = fitting_of(build, TAIL_PLAN, tail)
    fitting.run_epoch(tail, 1, training=True)
    rate = best_rate(lambda: fitting.run_epoch(tail, 1, training=True), count)
    loop.set_precision("float32")
    images = First(ImageExamples(split, varied, 0), count // 2)
    end_to_end = fitting_of(lambda: architectures.submodel_up_to(whole, "logits"), TAIL_PLAN, images)
    end_to_end.run_epoch(First(images, BATCH), 1, training=True)
    peer = best_rate(lambda: end_to_end.run_epoch(images, 1, training=True), count // 2, 1)
    yield Measured(
        f"fine-tuning from cached activations in {precision}",
        rate,
        "fine-tuning the same layers end to end",
        peer,
    )
