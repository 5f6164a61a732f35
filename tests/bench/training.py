"""Training rates against a step without input, Keras' fit, one forward pass, end-to-end tuning."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
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
from tasks.parameters import Augmentation, ModelKind, Training
from tasks.training import frozen, loop
from tasks.training.batches import CachedExamples, CachedRows, Examples, ImageExamples, epoch_batches
from tasks.training.loop import FitPlan, FitState, Fitting
from tests.bench import torch_peer
from tests.bench.measure import SIZE, Measured, alternate, best_rate, rate_of

FORWARD = 20  # batches
BATCH = 128
IMAGES: dict[ModelKind, int] = {"cnn": 10 * BATCH, "mobilenet_v2": 3 * BATCH}  # an epoch
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
    for kind, images_an_epoch in IMAGES.items():
        yield from bench_from_random(kind, dataset, split, min(images_an_epoch, len(split) // BATCH * BATCH))
    yield from bench_frozen(dataset, split, scratch)


CNN_PLAN = FitPlan(
    "lamb", RECIPE.epochs, BATCH, RECIPE.cnn.learning_rate, RECIPE, 0, 1, mixup=RECIPE.cnn.mixup
)
MOBILENET_PLAN = replace(
    CNN_PLAN, optimizer="adam", learning_rate=RECIPE.mobilenet_v2.learning_rate, mixup=0.0
)
RANDOM_PLANS: dict[ModelKind, FitPlan] = {"cnn": CNN_PLAN, "mobilenet_v2": MOBILENET_PLAN}
TAIL_PLAN = replace(
    MOBILENET_PLAN,
    learning_rate=RECIPE.mobilenet_v2.fine_tune_learning_rate,
    mixup=RECIPE.mobilenet_v2.mixup,
)
HEAD_PLAN = replace(MOBILENET_PLAN, training=Training(patience=RECIPE.epochs))


def fitting_of(build: Callable[[], keras.Model], plan: FitPlan, examples: Examples) -> Fitting:
    return Fitting(build, tf.distribute.get_strategy(), plan, len(examples.labels))


def bench_from_random(kind: ModelKind, dataset: Dataset, split: Split, count: int) -> Iterator[Measured]:
    """A whole network in our loop, with augmentation, and in others' without, all pixels in memory."""
    plan, augmentation = RANDOM_PLANS[kind], getattr(RECIPE, kind).augmentation
    examples = First(ImageExamples(split, augmentation, 0), count)

    def logits() -> keras.Model:
        return architectures.submodel_up_to(build(kind, dataset), "logits")

    precision = loop.choose_precision("auto", logits, tf.distribute.get_strategy(), plan, examples)
    fitting = fitting_of(logits, plan, examples)
    batch = fitting._per_replica(next(epoch_batches(examples, np.arange(BATCH), 1, BATCH, 0, 1)))
    ours = f"{kind}, all of it, epochs in {precision}, augmented"
    epochs: dict[str, Callable[[], object]] = {
        ours: lambda: fitting.run_epoch(examples, 1, training=True),
        "the same step on one batch in memory": lambda: [
            float(fitting._train(*batch)[0]) for _ in range(count // BATCH)
        ],
    }
    for policy in loop.PRECISIONS:
        epochs[f"Keras fit in {policy}"] = keras_epoch(kind, dataset, split, count, policy)
    for epoch in epochs.values():
        epoch()  # traced and compiled
    contenders = {name: partial(rate_of, epoch, count) for name, epoch in epochs.items()}
    rates = alternate(contenders | torch_peer.epochs(kind, count))
    for peer in rates:
        if peer != ours:
            yield Measured.of(ours, peer, rates)


def build(kind: ModelKind, dataset: Dataset) -> keras.Model:
    return getattr(architectures, f"build_{kind}")(len(dataset.classes), SIZE, getattr(RECIPE, kind).dropout)


def keras_epoch(
    kind: ModelKind, dataset: Dataset, split: Split, count: int, policy: str
) -> Callable[[], object]:
    loop.set_precision(policy)
    model = build(kind, dataset)
    model.compile("adam", "sparse_categorical_crossentropy")
    pixels, labels = split.take(np.arange(count)), split.labels[:count]
    return partial(model.fit, pixels, labels, batch_size=BATCH, verbose=0)


def bench_frozen(dataset: Dataset, split: Split, scratch: Path) -> Iterator[Measured]:
    loop.set_precision("float32")
    whole = architectures.build_mobilenet_v2(len(dataset.classes), SIZE, 0.2, "none")
    base = architectures.frozen_part(whole, activations=True)
    views, varied = RECIPE.mobilenet_v2.views, RECIPE.mobilenet_v2.augmentation
    urls = [str(scratch / "features.npy"), str(scratch / "activations.npy")]
    forward = tf.function(lambda images: base(images, training=False))
    batch = tf.constant(split.take(np.arange(frozen.BATCH)))
    forward(batch)
    limit = best_rate(lambda: [forward(batch) for _ in range(FORWARD)], FORWARD * frozen.BATCH)
    started = time.perf_counter()
    frozen._compute(base, split, np.arange(len(split)), views, varied, 0, urls)
    cached = [CachedRows([np.load(url, mmap_mode="r")], np.array([0, len(split)])) for url in urls]
    head, tail = (CachedExamples(one, split.labels, 0) for one in cached)
    fit_head(dataset, head)
    seconds = time.perf_counter() - started
    yield Measured(
        f"MobileNetV2 frozen: {views} views and {RECIPE.epochs} epochs of the head, as one pass",
        len(split) * views / seconds,
        "one forward pass of TensorFlow over images and views, from memory",
        limit,
    )
    yield from bench_fine_tuning(whole, split, tail, varied)


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
    """The last blocks in our loop, on what the frozen part said of each view, and beneath it once more."""

    def build_tail() -> keras.Model:
        return architectures.build_tail(whole)

    tail = First(tail, len(split) // BATCH * BATCH)
    precision = loop.choose_precision("auto", build_tail, tf.distribute.get_strategy(), TAIL_PLAN, tail)
    cached = fitting_of(build_tail, TAIL_PLAN, tail)
    loop.set_precision("float32")
    images = First(ImageExamples(split, varied, 0), IMAGES["mobilenet_v2"])
    end_to_end = fitting_of(lambda: architectures.submodel_up_to(whole, "logits"), TAIL_PLAN, images)
    ours, theirs = f"fine-tuning from cached activations in {precision}", "the same layers end to end"
    for fitting, examples in ((cached, tail), (end_to_end, First(images, BATCH))):
        fitting.run_epoch(examples, 1, training=True)
    rates = alternate(
        {
            ours: lambda: rate_of(lambda: cached.run_epoch(tail, 1, training=True), len(tail.labels)),
            theirs: lambda: rate_of(
                lambda: end_to_end.run_epoch(images, 1, training=True), len(images.labels)
            ),
        }
    )
    yield Measured.of(ours, theirs, rates)
