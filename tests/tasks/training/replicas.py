"""Trainings as the tests of distribution run them, in whatever process they are called."""

import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tasks.dataset.records import Dataset
from tasks.networks import architectures
from tasks.parameters import Augmentation, CnnAugmentation, CnnParameters, Training
from tasks.storage import Run
from tasks.training import loop, worker
from tasks.training import run as run_module
from tasks.training.batches import ImageExamples
from tasks.training.loop import FitPlan, Fitting
from tasks.training.run import TrainedModel, train_model

MEETING_SECONDS = 300

RECIPE = Training(
    models=("cnn",),
    epochs=1,
    image_size=32,
    batch_size=16,
    precision="float32",
    cnn=CnnParameters(dropout=0.0, augmentation=CnnAugmentation(rotation=5)),
)


def one_epoch(
    dataset: Dataset, replicas: int, precision: str = "float32"
) -> tuple[list[float], float, list[np.ndarray]]:
    """Loss of every step, validation loss and weights after an epoch on `replicas` logical CPUs."""
    strategy = tf.distribute.get_strategy()
    if replicas > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * replicas
        tf.config.set_logical_device_configuration(cpu, logical)
        strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(replicas)])

    def build() -> keras.Model:
        keras.utils.set_random_seed(0)
        return architectures.submodel_up_to(architectures.build_cnn(len(dataset.classes), 32), "logits")

    loop.set_precision(precision)
    train = ImageExamples(dataset.split("train"), RECIPE.cnn.augmentation, 0)
    plan = FitPlan(
        "lamb", 1, RECIPE.batch_size, RECIPE.cnn.learning_rate, RECIPE, 0, 1, mixup=RECIPE.cnn.mixup
    )
    fitting = Fitting(build, strategy, plan, len(train.labels))
    losses = record_losses(fitting)
    fitting.run_epoch(train, 1, training=True)
    val_loss, _ = fitting.run_epoch(ImageExamples(dataset.split("val"), Augmentation(), 0), 0, training=False)
    return losses, val_loss, fitting.model.get_weights()


def record_losses(fitting: Fitting) -> list[float]:
    """A list that every training step will append its summed loss to."""
    losses: list[float] = []
    step = fitting._train

    def recorded(*values: Any) -> tuple[Any, Any]:
        loss, right = step(*values)
        losses.append(float(loss))
        return loss, right

    fitting._train = recorded
    return losses


def train_and_keep_weights(config: dict[str, Any]) -> None:
    """What a Ray Train worker runs, its final weights kept beside the others'."""
    import ray.train

    fitting = worker.train(**config)
    rank = ray.train.get_context().get_world_rank()
    np.savez(f"{config['run'].store}/weights-{rank}.npz", *fitting.model.get_weights())


def train_beside_another(dataset: Dataset, run: Run) -> TrainedModel:
    """Train a CNN whose worker begins once that of another run of the same store has begun too."""
    run_module.train_worker = meet_and_train
    return train_model.fn("cnn", dataset, RECIPE, run)


def meet_and_train(config: dict[str, Any]) -> None:
    folder = Path(config["run"].store)
    (folder / f"begun-{config['run'].name}").touch()
    deadline = time.monotonic() + MEETING_SECONDS
    while len(list(folder.glob("begun-*"))) < 2:
        if time.monotonic() > deadline:
            raise TimeoutError("The other training has not begun.")
        time.sleep(0.1)
    worker.train(**config)
