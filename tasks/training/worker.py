"""One Ray Train worker: puts data, model and loop together. Imported by workers only."""

import csv
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import ray.train

from tasks import storage
from tasks.dataset.index import Shards, Split
from tasks.networks import architectures
from tasks.networks.threads import use_granted_cpus
from tasks.parameters import Augmentation, ModelKind, Training
from tasks.training import loop
from tasks.training.batches import CachedExamples, Examples, ImageExamples, shuffled
from tasks.training.checkpoints import Progress, restored, write_progress
from tasks.training.frozen import cached_outputs
from tasks.training.loop import FitPlan, Fitting
from tasks.training.run import Run, cache_url

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
    optimizer: loop.OptimizerName
    learning_rate: float
    mixup: float = 0.0
    measure_precision: bool = True


def train(kind: ModelKind, shards: Shards, training: Training, run: Run) -> Fitting:
    """Train one model as one of n workers; the first worker writes history, checkpoints and the model."""
    started = time.monotonic()
    use_granted_cpus()
    rank, workers = ray.train.get_context().get_world_rank(), ray.train.get_context().get_world_size()
    strategy = loop.strategy_here(workers)
    progress = restored()
    earlier = sum(row["seconds"] for row in progress.history)
    whole, phases = plan_training(kind, shards, training, run)
    while True:
        phase = phases[progress.phase]
        plan = FitPlan(
            optimizer=phase.optimizer,
            epochs=phase.epochs,
            batch_size=training.batch_size,
            learning_rate=phase.learning_rate,
            training=training,
            shard=rank,
            shards=workers,
            mixup=phase.mixup,
        )
        fitting = fit_phase(phase, plan, strategy, progress, lambda now: record_epoch(kind, run, now))
        if progress.phase == len(phases) - 1:
            break
        progress = progress.next_phase()
    if rank == 0:
        loop.set_precision("float32")
        model = with_weights(whole, progress.best_weights())
        save(kind, run, model, progress, len(phase.train.labels), earlier + time.monotonic() - started)
    return fitting


def fit_phase(
    phase: Phase,
    plan: FitPlan,
    strategy: Any,
    progress: Progress,
    on_epoch: Callable[[Progress], None],
) -> Fitting:
    """Train one phase to its end, from the start or from where `progress` stands."""

    def build() -> keras.Model:
        return phase.build(progress.best)

    asked = plan.training.precision if phase.measure_precision else "float32"
    progress.precision = loop.choose_precision(
        progress.precision or asked, build, strategy, plan, phase.train
    )
    fitting = Fitting(build, strategy, plan, len(phase.train.labels), progress.precision)
    loop.fit(fitting, phase.train, phase.val, progress.state, lambda _: on_epoch(progress))
    return fitting


def plan_training(
    kind: ModelKind, shards: Shards, training: Training, run: Run
) -> tuple[Callable[[], keras.Model], list[Phase]]:
    """The whole model, untrained, and the phases that train it."""
    if kind == "mobilenet_v2" and training.weights != "none":
        return pretrained_phases(shards, training, run)
    return whole_phase(kind, shards, training)


def whole_phase(
    kind: ModelKind, shards: Shards, training: Training
) -> tuple[Callable[[], keras.Model], list[Phase]]:
    """Train every layer on images drawn anew each epoch."""
    split = Split(shards, "train")
    settling = split.take(shuffled(len(split), training.seed, 0)[:SETTLING_IMAGES])
    cnn = kind == "cnn"
    dropout = training.cnn_dropout if cnn else training.mobilenet_dropout
    augmentation: Augmentation = training.cnn_augmentation if cnn else training.mobilenet_augmentation

    def whole() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        model = architectures.build(kind, len(shards.classes), shards.size_px, dropout, "none")
        if not cnn:
            architectures.settle_batch_norm(model, settling)
        return model

    phase = Phase(
        build=lambda _: architectures.until(whole(), "logits"),
        train=ImageExamples(split, augmentation, training.seed),
        val=ImageExamples(Split(shards, "val"), Augmentation(), training.seed),
        epochs=training.epochs,
        optimizer="lamb" if cnn else "adam",
        learning_rate=training.cnn_learning_rate if cnn else training.mobilenet_learning_rate,
        mixup=training.cnn_mixup if cnn else 0.0,
    )
    return whole, [phase]


def pretrained_phases(
    shards: Shards, training: Training, run: Run
) -> tuple[Callable[[], keras.Model], list[Phase]]:
    """Train a new head on features the frozen base computes once, then the blocks above FREEZE_LAYER."""
    classes, cache = len(shards.classes), cache_url(run, "mobilenet_v2")

    def whole() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        return architectures.build(
            "mobilenet_v2", classes, shards.size_px, training.mobilenet_dropout, training.weights
        )

    def build_head(_: Sequence[np.ndarray]) -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        return architectures.until(
            architectures.build_head(classes, width, training.mobilenet_dropout), "logits"
        )

    frozen = architectures.frozen_part(whole(), activations=training.mobilenet_fine_tune_epochs > 0)
    train, val = (
        cached_examples(frozen, Split(shards, split), training, views, storage.join(cache, split))
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


def record_epoch(kind: ModelKind, run: Run, progress: Progress) -> None:
    """Report an epoch to Ray Train; the first worker adds the checkpoint and history.csv."""
    row = progress.history[-1]
    if ray.train.get_context().get_world_rank() != 0:
        ray.train.report(row)
        return
    write_history(run.url(kind, "history.csv"), progress.history)
    with tempfile.TemporaryDirectory() as folder:
        write_progress(Path(folder), progress)
        ray.train.report(row, checkpoint=ray.train.Checkpoint.from_directory(folder))


def write_history(url: str, history: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]))
    writer.writeheader()
    writer.writerows(history)
    storage.write_bytes(url, text.getvalue().encode())


def save(
    kind: ModelKind, run: Run, model: keras.Model, progress: Progress, images: int, seconds: float
) -> None:
    """Write the model, then the record that says this training is done."""
    uri = storage.join(run.version_url(kind), "model.keras")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        storage.write_bytes(uri, path.read_bytes())
    storage.write_json(
        run.url(kind, "training.json"),
        {
            "kind": kind,
            "version": run.version(kind),
            "uri": uri,
            "parameters": model.count_params(),
            "epochs": len(progress.history),
            "best_epoch": progress.best_epoch,
            "seconds": seconds,
            "images_per_second": images * len(progress.history) / seconds,
            "precision": progress.precision,
        },
    )
