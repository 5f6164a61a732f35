"""One Ray Train worker: puts data, model and loop together. Imported by workers only."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import ray.train

from tasks import storage
from tasks.dataset import Dataset
from tasks.networks import use_granted_cpus
from tasks.parameters import ModelKind, Training
from tasks.storage import Run
from tasks.training import loop
from tasks.training.balance import class_weights
from tasks.training.checkpoints import Progress, restored, write_progress
from tasks.training.history import write_history
from tasks.training.loop import FitPlan, Fitting
from tasks.training.phases import KINDS, Phase, with_weights


def train(kind: ModelKind, dataset: Dataset, training: Training, run: Run) -> Fitting:
    """Train one model as one of n workers; the first worker writes history, checkpoints and the model."""
    started = time.monotonic()
    use_granted_cpus()
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    strategy = loop.strategy_here(world_size)
    progress = restored()
    started -= progress.seconds
    whole, phases = KINDS[kind](dataset, training, run)
    while True:
        phase = phases[progress.phase]
        plan = FitPlan(
            optimizer=phase.optimizer,
            epochs=phase.epochs,
            batch_size=training.batch_size,
            learning_rate=phase.learning_rate,
            training=training,
            rank=rank,
            world_size=world_size,
            mixup=phase.mixup,
            class_weights=class_weights(phase.train.labels, training.balance),
        )
        fitting = fit_phase(phase, plan, strategy, progress, partial(record_epoch, kind, run, started))
        if progress.phase == len(phases) - 1:
            break
        progress = progress.next_phase()
    if rank == 0:
        loop.set_precision("float32")
        model = with_weights(whole, progress.best_weights())
        save(kind, run, model, progress, len(phase.train.labels), time.monotonic() - started)
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

    precision: str = plan.training.precision if phase.measure_precision else "float32"
    if progress.precision:  # a resumed phase goes on in the one it began in
        precision = progress.precision
    progress.precision = loop.choose_precision(precision, build, strategy, plan, phase.train)
    fitting = Fitting(build, strategy, plan, len(phase.train.labels))
    loop.fit(fitting, phase.train, phase.val, progress.state, lambda _: on_epoch(progress))
    return fitting


def record_epoch(kind: ModelKind, run: Run, started: float, progress: Progress) -> None:
    """Report an epoch to Ray Train; the first worker adds the checkpoint and history.csv.

    Storage may be away for a while: hours of training are not to fail of it. started: on the monotonic clock.
    """
    row = progress.history[-1]
    if ray.train.get_context().get_world_rank() != 0:
        ray.train.report(row)
        return
    progress.seconds = time.monotonic() - started
    write_history(storage.history_url(run.kind_url(kind)), progress.history)
    with storage.temporary_folder() as folder:
        write_progress(folder, progress)
        checkpoint = ray.train.Checkpoint.from_directory(folder)
        ray.train.report(row, checkpoint=checkpoint, checkpoint_upload_fn=upload)


def upload(checkpoint: ray.train.Checkpoint, name: str) -> ray.train.Checkpoint:
    """Copy a checkpoint to where Ray Train keeps it, as that would by itself, but patiently."""
    kept_checkpoints = ray.train.get_context().get_storage()

    def keep() -> ray.train.Checkpoint:
        with storage.naming_disk(kept_checkpoints.storage_fs_path):
            return kept_checkpoints.persist_current_checkpoint(checkpoint, name)

    return storage.patiently(keep)


def save(
    kind: ModelKind, run: Run, model: keras.Model, progress: Progress, images: int, seconds: float
) -> None:
    """Write the model, then the record that says this training is done."""
    url = storage.model_url(run.version_url(kind))
    with storage.temporary_folder() as folder:
        path = folder / "model.keras"
        model.save(path)
        storage.patiently(lambda: storage.write_bytes(url, path.read_bytes()))
    record = {
        "kind": kind,
        "version": run.version(kind),
        "parameters": model.count_params(),
        "epochs": len(progress.history),
        "best_epoch": progress.best_epoch,
        "seconds": seconds,
        "images_per_second": images * len(progress.history) / seconds,
        "precision": progress.precision,
    }
    storage.patiently(lambda: storage.write_json(storage.training_url(run.kind_url(kind)), record))
