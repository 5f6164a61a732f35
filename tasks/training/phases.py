"""What is trained of a model, in which order and on what. Imported by workers only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tasks import storage
from tasks.dataset import Dataset, Split
from tasks.networks import architectures
from tasks.parameters import Augmentation, ModelKind, Training
from tasks.storage import Run
from tasks.training.batches import CachedExamples, Examples, ImageExamples, shuffled
from tasks.training.frozen import cached_outputs
from tasks.training.loop import OptimizerName

SETTLING_IMAGES = 128


@dataclass(frozen=True)
class Phase:
    """One fit. `build` gives a model to logits whose weights are the last ones of the whole model.

    It is given the best weights of the phase before.
    """

    build: Callable[[Sequence[np.ndarray]], keras.Model]
    train: Examples
    val: Examples
    epochs: int
    optimizer: OptimizerName
    learning_rate: float
    mixup: float = 0.0
    measure_precision: bool = True


def plan_training(
    kind: ModelKind, dataset: Dataset, training: Training, run: Run
) -> tuple[Callable[[], keras.Model], list[Phase]]:
    """The whole model, untrained, and the phases that train it."""
    if kind == "mobilenet_v2" and training.weights != "none":
        return pretrained_phases(dataset, training, run)
    return whole_phase(kind, dataset, training)


def whole_phase(
    kind: ModelKind, dataset: Dataset, training: Training
) -> tuple[Callable[[], keras.Model], list[Phase]]:
    """Train every layer on images drawn anew each epoch."""
    split = dataset.split("train")
    settling = split.take(shuffled(len(split), training.seed, 0)[:SETTLING_IMAGES])
    cnn = kind == "cnn"
    dropout = training.cnn_dropout if cnn else training.mobilenet_dropout
    augmentation: Augmentation = training.cnn_augmentation if cnn else training.mobilenet_augmentation

    def whole() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        model = architectures.build(kind, len(dataset.classes), dataset.size_px, dropout, "none")
        if not cnn:
            architectures.settle_batch_norm(model, settling)
        return model

    phase = Phase(
        build=lambda _: architectures.until(whole(), "logits"),
        train=ImageExamples(split, augmentation, training.seed),
        val=ImageExamples(dataset.split("val"), Augmentation(), training.seed),
        epochs=training.epochs,
        optimizer="lamb" if cnn else "adam",
        learning_rate=training.cnn_learning_rate if cnn else training.mobilenet_learning_rate,
        mixup=training.cnn_mixup if cnn else 0.0,
    )
    return whole, [phase]


def pretrained_phases(
    dataset: Dataset, training: Training, run: Run
) -> tuple[Callable[[], keras.Model], list[Phase]]:
    """Train a new head on features the frozen base computes once, then the blocks above FREEZE_LAYER."""
    classes, folder = len(dataset.classes), run.kind_url("mobilenet_v2")

    def whole() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        return architectures.build(
            "mobilenet_v2", classes, dataset.size_px, training.mobilenet_dropout, training.weights
        )

    def build_head(_: Sequence[np.ndarray]) -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        return architectures.until(
            architectures.build_head(classes, width, training.mobilenet_dropout), "logits"
        )

    frozen = architectures.frozen_part(whole(), activations=training.mobilenet_fine_tune_epochs > 0)
    train, val = (
        cached_examples(frozen, dataset.split(split), training, views, storage.cache_url(folder, split))
        for split, views in (("train", training.mobilenet_views), ("val", 1))
    )
    width = frozen.outputs[0].shape[-1]
    head = Phase(
        build=build_head,
        train=train[0],
        val=val[0],
        epochs=training.epochs,
        optimizer="adam",
        learning_rate=training.mobilenet_learning_rate,
        measure_precision=False,
    )
    if training.mobilenet_fine_tune_epochs == 0:
        return whole, [head]
    tail = Phase(
        build=lambda best: architectures.build_tail(with_weights(whole, best)),
        train=train[1],
        val=val[1],
        epochs=training.mobilenet_fine_tune_epochs,
        optimizer="adam",
        learning_rate=training.mobilenet_fine_tune_learning_rate,
        mixup=training.mobilenet_mixup,
    )
    return whole, [head, tail]


def cached_examples(
    frozen: keras.Model, split: Split, training: Training, views: int, url: str
) -> list[CachedExamples]:
    """Examples of each output of `frozen` (features, activations)."""
    urls = [storage.join(url, str(number)) for number in range(len(frozen.outputs))]
    cached = cached_outputs(frozen, split, views, training.mobilenet_augmentation, training.seed, urls)
    return [CachedExamples(rows, split.labels, training.seed) for rows in cached]


def with_weights(whole: Callable[[], keras.Model], last: Sequence[np.ndarray]) -> keras.Model:
    """The whole model with its last weights set."""
    model = whole()
    for variable, value in zip(model.weights[-len(last) :], last, strict=True):
        variable.assign(value)
    return model
