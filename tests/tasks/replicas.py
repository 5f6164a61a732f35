"""One epoch of the training loop under a given strategy, in whatever process it is called."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tasks import models, worker
from tasks.batches import ImageExamples
from tasks.dataset import Shards, Split
from tasks.loop import Fitting, Plan
from tasks.settings import Augmentation, CnnAugmentation, Training

RECIPE = Training(
    models=("cnn",),
    epochs=1,
    image_size=32,
    batch_size=16,
    precision="float32",
    cnn_dropout=0.0,
    cnn_augmentation=CnnAugmentation(rotation=5),
)


def one_epoch(shards: Shards, replicas: int) -> tuple[list[float], float, list[np.ndarray]]:
    """Loss of every step, validation loss and weights after an epoch on `replicas` logical CPUs."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * replicas
    tf.config.set_logical_device_configuration(cpu, logical)
    names = [f"CPU:{number}" for number in range(replicas)]
    strategy = tf.distribute.MirroredStrategy(names) if replicas > 1 else tf.distribute.get_strategy()

    def build() -> keras.Model:
        keras.utils.set_random_seed(0)
        return models.until(models.build_cnn(len(shards.classes), 32), "logits")

    train = ImageExamples(Split(shards, "train"), RECIPE.cnn_augmentation, 0)
    plan = Plan(1, RECIPE.batch_size, 1e-3, RECIPE, shard=0, shards=1)
    fitting = Fitting(build, strategy, plan, len(train.labels), "float32")
    losses = record_losses(fitting)
    fitting.run_epoch(train, 1, training=True)
    val_loss, _ = fitting.run_epoch(ImageExamples(Split(shards, "val"), Augmentation(), 0), 0, training=False)
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
