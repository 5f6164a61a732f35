"""One Ray Train worker: puts data, model and loop together. Imported by workers only."""

import csv
import io
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import ray.train

from tasks import loop, models, storage
from tasks.batches import CachedExamples, Examples, ImageExamples, shuffled
from tasks.features import cached_features
from tasks.loop import FitState, Fitting, Plan
from tasks.settings import Augmentation, ModelKind, Training
from tasks.shards import Shards, Split
from tasks.threads import use_granted_cpus
from tasks.training import Run

SETTLING_IMAGES = 128


@dataclass(frozen=True)
class Job:
    """What is fitted (a model to logits) on what, and the whole model its weights go into."""

    build: Callable[[], keras.Model]
    train: Examples
    val: Examples
    whole: Callable[[], keras.Model]
    may_lower_precision: bool


def train(kind: ModelKind, shards: Shards, training: Training, run: Run) -> None:
    """Train one model as one of n workers; the first worker writes history, checkpoints and the model."""
    started = time.monotonic()
    use_granted_cpus()
    context = ray.train.get_context()
    strategy = loop.strategy_here(context.get_world_size())
    job = frozen_job(shards, training, run) if _frozen(kind, training) else image_job(kind, shards, training)
    plan = plan_of(kind, training, context.get_world_rank(), context.get_world_size())
    state, precision = restored()
    earlier = sum(row["seconds"] for row in state.history)
    asked = (training.precision if job.may_lower_precision else "float32") if precision is None else precision
    precision = loop.choose_precision(asked, job.build, strategy, plan, job.train)
    fitting = Fitting(job.build, strategy, plan, len(job.train.labels))
    loop.fit(fitting, job.train, job.val, state, lambda state: record_epoch(kind, run, state, precision))
    if context.get_world_rank() == 0:
        seconds = earlier + time.monotonic() - started
        save(kind, run, job, fitting, state, precision, seconds)


def _frozen(kind: ModelKind, training: Training) -> bool:
    return kind == "mobilenet_v2" and training.weights != "none"


def plan_of(kind: ModelKind, training: Training, rank: int, workers: int) -> Plan:
    peak = training.cnn_learning_rate if kind == "cnn" else training.mobilenet_learning_rate
    return Plan(
        epochs=training.epochs,
        batch_size=training.batch_size,
        learning_rate=peak,
        patience=training.patience,
        seed=training.seed,
        shard=rank,
        shards=workers,
    )


def image_job(kind: ModelKind, shards: Shards, training: Training) -> Job:
    """Train every layer on images drawn anew each epoch."""
    is_cnn = kind == "cnn"
    augmentation = training.cnn_augmentation if is_cnn else training.mobilenet_augmentation
    dropout = training.cnn_dropout if is_cnn else training.mobilenet_dropout

    split = Split(shards, "train")
    settling = split.take(shuffled(len(split), training.seed, 0)[:SETTLING_IMAGES])

    def whole() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        model = models.build(kind, len(shards.classes), shards.size_px, dropout, "none")
        if not is_cnn:
            models.settle_batch_norm(model, settling)
        return model

    return Job(
        build=lambda: models.until(whole(), "logits"),
        train=ImageExamples(split, augmentation, training.seed),
        val=ImageExamples(Split(shards, "val"), Augmentation(), training.seed),
        whole=whole,
        may_lower_precision=True,
    )


def frozen_job(shards: Shards, training: Training, run: Run) -> Job:
    """Train MobileNetV2's new head on features that its frozen base computes once."""
    classes = len(shards.classes)

    def whole() -> keras.Model:
        return models.build(
            "mobilenet_v2", classes, shards.size_px, training.mobilenet_dropout, training.weights
        )

    def build() -> keras.Model:
        keras.utils.set_random_seed(training.seed)
        return models.until(
            models.build_head(classes, base.output_shape[-1], training.mobilenet_dropout), "logits"
        )

    base = models.until(whole(), "features")
    train, val = Split(shards, "train"), Split(shards, "val")
    varied = training.mobilenet_augmentation
    url = run.url("mobilenet_v2", "features")
    train_features = cached_features(
        base, train, training.mobilenet_views, varied, training.seed, f"{url}-train"
    )
    val_features = cached_features(base, val, 1, Augmentation(), training.seed, f"{url}-val")
    return Job(
        build=build,
        train=CachedExamples(train_features, train.labels, training.seed),
        val=CachedExamples(val_features, val.labels, training.seed),
        whole=whole,
        may_lower_precision=False,
    )


def restored() -> tuple[FitState, str | None]:
    """The state and precision of this training's last checkpoint; an empty state for a fresh start."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return FitState(), None
    with checkpoint.as_directory() as folder:
        record = json.loads(Path(folder, "state.json").read_text())
        with np.load(Path(folder, "state.npz")) as arrays:
            values = {
                name: [arrays[f"{name}-{i}"] for i in range(count)]
                for name, count in record["arrays"].items()
            }
    return FitState(record["history"], **values), record["precision"]


def record_epoch(kind: ModelKind, run: Run, state: FitState, precision: str) -> None:
    """Report an epoch to Ray Train; the first worker adds the checkpoint and history.csv."""
    row = state.history[-1]
    if ray.train.get_context().get_world_rank() != 0:
        ray.train.report(row)
        return
    write_history(run.url(kind, "history.csv"), state.history)
    lists = {"variables": state.variables, "optimizer": state.optimizer, "best": state.best}
    with tempfile.TemporaryDirectory() as folder:
        arrays = {f"{name}-{i}": value for name, values in lists.items() for i, value in enumerate(values)}
        np.savez(Path(folder, "state.npz"), allow_pickle=False, **arrays)
        record = {
            "history": state.history,
            "precision": precision,
            "arrays": {name: len(values) for name, values in lists.items()},
        }
        Path(folder, "state.json").write_text(json.dumps(record))
        ray.train.report(row, checkpoint=ray.train.Checkpoint.from_directory(folder))


def write_history(url: str, history: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]))
    writer.writeheader()
    writer.writerows(history)
    storage.write_bytes(url, text.getvalue().encode())


def save(
    kind: ModelKind, run: Run, job: Job, fitting: Fitting, state: FitState, precision: str, seconds: float
) -> None:
    """Write the best weights as one float32 model, then the record that says this training is done."""
    for variable, value in zip(fitting.model.variables, state.best, strict=True):
        variable.assign(value)
    loop.set_precision("float32")
    whole = job.whole()
    fitted = fitting.model.get_weights()
    for variable, value in zip(whole.weights[-len(fitted) :], fitted, strict=True):
        variable.assign(value)
    uri = storage.join(run.version_url(kind), "model.keras")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        whole.save(path)
        storage.write_bytes(uri, path.read_bytes())
    storage.write_json(
        run.url(kind, "training.json"),
        {
            "kind": kind,
            "version": run.version(kind),
            "uri": uri,
            "parameters": whole.count_params(),
            "epochs": len(state.history),
            "best_epoch": state.best_epoch,
            "seconds": seconds,
            "images_per_second": len(job.train.labels) * len(state.history) / seconds,
            "precision": precision,
        },
    )
