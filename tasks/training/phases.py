"""What is trained of a model, in which order and on what. Imported by workers only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from tasks import storage
from tasks.dataset import Dataset, Split
from tasks.networks import architectures
from tasks.parameters import Augmentation, CnnParameters, MobilenetParameters, ModelKind, Training
from tasks.storage import Run
from tasks.training.batches import CachedExamples, Examples, ImageExamples, shuffled
from tasks.training.frozen import cached_outputs
from tasks.training.loop import OptimizerName

SETTLING_IMAGES = 128


@dataclass(frozen=True)
class Phase:
    """One fit of a part of the whole model.

    build: makes that part, from inputs to logits, given the best weights of the phase before; its weights
    are the last ones of the whole model.
    """

    build: Callable[[Sequence[np.ndarray]], keras.Model]
    train: Examples
    val: Examples
    epochs: int
    optimizer: OptimizerName
    learning_rate: float
    mixup: float = 0.0
    measure_precision: bool = True


Whole = Callable[[], keras.Model]
Plan = tuple[Whole, list[Phase]]


def plan_cnn(dataset: Dataset, training: Training, run: Run) -> Plan:  # noqa: ARG001
    """Train every layer on images drawn anew each epoch."""

    def whole() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        return architectures.build_cnn(len(dataset.classes), dataset.size_px, training.cnn.dropout)

    phase = whole_phase(whole, dataset, training, training.cnn, "lamb")
    return whole, [replace(phase, mixup=training.cnn.mixup)]


def plan_mobilenet_v2(dataset: Dataset, training: Training, run: Run) -> Plan:
    """Train a new head and the last blocks on a pretrained base; without one, every layer as the CNN's."""
    if training.weights != "none":
        return pretrained_phases(dataset, training, run)
    split, parameters = dataset.split("train"), training.mobilenet_v2
    settling_images = split.take(shuffled(len(split), training.seed, 0)[:SETTLING_IMAGES])

    def whole() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        return architectures.build_mobilenet_v2(len(dataset.classes), dataset.size_px, parameters.dropout)

    def settled() -> keras.Model:
        model = whole()
        architectures.settle_batch_norm(model, settling_images)
        return model

    return whole, [whole_phase(settled, dataset, training, parameters, "adam")]


def whole_phase(
    whole: Whole,
    dataset: Dataset,
    training: Training,
    parameters: CnnParameters | MobilenetParameters,
    optimizer: OptimizerName,
) -> Phase:
    """The one phase in which every layer of a network is trained."""
    return Phase(
        build=lambda _: architectures.submodel_up_to(whole(), "logits"),
        train=ImageExamples(dataset.split("train"), parameters.augmentation, training.seed),
        val=ImageExamples(dataset.split("val"), Augmentation(), training.seed),
        epochs=training.epochs,
        optimizer=optimizer,
        learning_rate=parameters.learning_rate,
    )


def pretrained_phases(dataset: Dataset, training: Training, run: Run) -> Plan:
    """Train a new head on features the frozen base computes once, then the blocks above FREEZE_LAYER."""
    classes, folder = len(dataset.classes), run.kind_url("mobilenet_v2")
    parameters = training.mobilenet_v2

    def whole() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        return architectures.build_mobilenet_v2(
            classes, dataset.size_px, parameters.dropout, training.weights
        )

    def build_head(_: Sequence[np.ndarray]) -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        return architectures.submodel_up_to(
            architectures.build_head(classes, width, parameters.dropout), "logits"
        )

    frozen = architectures.frozen_part(whole(), activations=parameters.fine_tune_epochs > 0)
    train, val = (
        cached_examples(frozen, dataset.split(split), training, views, storage.cache_url(folder, split))
        for split, views in (("train", parameters.views), ("val", 1))
    )
    width = frozen.outputs[0].shape[-1]
    head = Phase(
        build=build_head,
        train=train[0],
        val=val[0],
        epochs=training.epochs,
        optimizer="adam",
        learning_rate=parameters.learning_rate,
        measure_precision=False,
    )
    if parameters.fine_tune_epochs == 0:
        return whole, [head]
    tail = Phase(
        build=lambda best: architectures.build_tail(with_weights(whole, best)),
        train=train[1],
        val=val[1],
        epochs=parameters.fine_tune_epochs,
        optimizer="adam",
        learning_rate=parameters.fine_tune_learning_rate,
        mixup=parameters.mixup,
    )
    return whole, [head, tail]


def cached_examples(
    frozen: keras.Model, split: Split, training: Training, views: int, url: str
) -> list[CachedExamples]:
    """Examples of each output of `frozen` (features, activations)."""
    names = ("features", architectures.FREEZE_LAYER)[: len(frozen.outputs)]
    urls = [storage.join(url, name) for name in names]
    augmentation = training.mobilenet_v2.augmentation
    cached = cached_outputs(frozen, split, views, augmentation, training.seed, urls)
    return [CachedExamples(rows, split.labels, training.seed) for rows in cached]


def with_weights(whole: Callable[[], keras.Model], last: Sequence[np.ndarray]) -> keras.Model:
    """The whole model with its last weights set."""
    model = whole()
    for variable, value in zip(model.weights[-len(last) :], last, strict=True):
        variable.assign(value)
    return model


# What is trained of each kind of model: the whole network, untrained, and the phases that train it. A new
# kind is its network in `networks.architectures`, its block of `parameters.Training`, and its entry here.
KINDS: dict[ModelKind, Callable[[Dataset, Training, Run], Plan]] = {
    "cnn": plan_cnn,
    "mobilenet_v2": plan_mobilenet_v2,
}
