"""The one training loop, under whatever tf.distribute strategy is in force. Imported by workers only."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np
import ray.train.collective
import tensorflow as tf

from tasks.ahead import prefetch
from tasks.errors import Diverged, JobError
from tasks.parameters import Training
from tasks.training.balance import epoch_order
from tasks.training.batches import Batch, Examples, Mixup, epoch_batches

TRIAL_STEPS = 3
OptimizerName = Literal["adam", "lamb"]
PRECISIONS = ("float32", "bfloat16")  # what auto tries


@dataclass(frozen=True)
class FitPlan:
    """How one model is fitted. rank, world_size: which of how many workers this one is.

    class_weights: what each class counts for in the loss, as `balance.class_weights` gives it.
    """

    optimizer: OptimizerName
    epochs: int
    batch_size: int
    learning_rate: float
    training: Training
    rank: int
    world_size: int
    mixup: float = 0.0
    class_weights: np.ndarray | None = None


@dataclass
class FitState:
    """History, weights and optimizer of a fit: all that it needs to go on after an interruption."""

    history: list[dict[str, float]] = field(default_factory=list)
    variables: list[np.ndarray] = field(default_factory=list)
    optimizer: list[np.ndarray] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        return int(min(self.history, key=lambda row: row["val_loss"])["epoch"]) if self.history else 0

    @property
    def best_loss(self) -> float:
        """Validation loss of the epoch whose weights are kept."""
        return self.history[self.best_epoch - 1]["val_loss"] if self.history else math.inf

    def finished(self, plan: FitPlan) -> bool:
        """Whether the epochs are over, or too many of the schedule's second half brought no lower loss.

        Those of its first half do not count: while the learning rate is high, the loss goes up and down.
        """
        epoch = len(self.history)
        counted_from = max(self.best_epoch, plan.epochs // 2)
        return epoch >= plan.epochs or epoch - counted_from >= plan.training.patience


def strategy_here(workers: int) -> tf.distribute.Strategy:
    """Several workers: collective all-reduce. Several GPUs in one worker: mirrored. Else the default."""
    gpus = len(tf.config.list_physical_devices("GPU"))  # logical ones would start TensorFlow too early
    if workers > 1:
        kind = tf.distribute.experimental.CommunicationImplementation
        options = tf.distribute.experimental.CommunicationOptions(
            implementation=kind.NCCL if gpus else kind.RING
        )
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    return tf.distribute.MirroredStrategy() if gpus > 1 else tf.distribute.get_strategy()


class Fitting:
    """A model in training: variables, optimizer and compiled steps under one strategy."""

    def __init__(
        self,
        build: Callable[[], keras.Model],
        strategy: tf.distribute.Strategy,
        plan: FitPlan,
        rows: int,
    ):
        self.strategy = strategy
        self.plan = plan
        self.steps = -(-rows // plan.batch_size)
        with strategy.scope():
            self.model = build()
            self.optimizer = build_optimizer(plan, plan.epochs * self.steps)
            self.optimizer.build(self.model.trainable_variables)
        # Nothing here needs autograph, which leaves a file a function: Ray ends workers without a clean-up.
        self._train = tf.function(self._train_step, autograph=False)
        self._validate = tf.function(self._validation_step, autograph=False)

    def run_epoch(self, examples: Examples, epoch: int, training: bool) -> tuple[float, float]:
        """Walk all examples once, training on them or not. Returns mean loss and accuracy, exact."""
        plan, rows = self.plan, len(examples.labels)
        order = np.arange(rows)
        if training:
            order = epoch_order(examples.labels, plan.training.balance, plan.training.seed, epoch)
        step = self._train if training else self._validate
        mixup = Mixup(plan.mixup, plan.training.seed) if training and plan.mixup else None

        def batches() -> Iterator[tuple[Any, ...]]:
            walked = epoch_batches(examples, order, epoch, plan.batch_size, plan.rank, plan.world_size, mixup)
            return map(self._per_replica, walked)

        totals = [step(*values) for values in prefetch(batches)]
        loss, right = np.sum([[float(value) for value in total] for total in totals], axis=0)
        return loss / rows, right / rows

    def _per_replica(self, batch: Batch) -> tuple[Any, ...]:
        """Cut this worker's rows of a global batch evenly over its own replicas, padding the last."""
        local = self.strategy.num_replicas_in_sync // self.plan.world_size
        scale = np.float32(1.0 / batch.global_rows)
        share = -(-len(batch.labels) // local)

        def values(array: np.ndarray) -> Any:
            if local == 1:
                return tf.constant(array)
            padded = np.concatenate([array, np.zeros_like(array[:1]).repeat(share * local - len(array), 0)])
            first = self.plan.rank * local
            return self.strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(
                    padded[(context.replica_id_in_sync_group - first) * share :][:share]
                )
            )

        rows = (batch.inputs, batch.labels, batch.mixed_labels, batch.shares, batch.weights)
        return *map(values, rows), tf.constant(scale)

    def _train_step(self, *values: Any) -> tuple[Any, Any]:
        def replica_step(
            inputs: Any, labels: Any, mixed_labels: Any, shares: Any, weights: Any, scale: Any
        ) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                logits = self.model(inputs, training=True)
                loss = shares * self._weighted_loss(labels, logits)
                loss += (1.0 - shares) * self._weighted_loss(mixed_labels, logits)
                mean_loss = tf.reduce_sum(loss * weights) * scale
            variables = [variable.value for variable in self.model.trainable_variables]
            self.optimizer.apply(tape.gradient(mean_loss, variables), self.model.trainable_variables)
            return loss_and_hits(labels, logits, weights)

        return self._summed(replica_step, *values)

    def _weighted_loss(self, labels: Any, logits: Any) -> Any:
        weights, loss = self.plan.class_weights, cross_entropy(labels, logits)
        return loss if weights is None else loss * tf.gather(weights, labels)

    def _validation_step(self, *values: Any) -> tuple[Any, Any]:
        def replica_step(
            inputs: Any,
            labels: Any,
            mixed_labels: Any,  # noqa: ARG001
            shares: Any,  # noqa: ARG001
            weights: Any,
            scale: Any,  # noqa: ARG001
        ) -> tuple[Any, Any]:
            return loss_and_hits(labels, self.model(inputs, training=False), weights)

        return self._summed(replica_step, *values)

    def _summed(self, replica_step: Callable, *values: Any) -> tuple[Any, Any]:
        loss, right = self.strategy.run(replica_step, args=values)
        return self.strategy.reduce("SUM", loss, axis=None), self.strategy.reduce("SUM", right, axis=None)

    def save_to(self, state: FitState) -> None:
        state.variables = [variable.numpy() for variable in self.model.variables]
        state.optimizer = [variable.numpy() for variable in self.optimizer.variables]

    def load_from(self, state: FitState) -> None:
        if [value.shape for value in state.variables] != [value.shape for value in self.model.variables]:
            raise JobError("The checkpoint is of another network: start a new run without `resume`.")
        for variable, value in zip(self.model.variables, state.variables, strict=True):
            variable.assign(value)
        for variable, value in zip(self.optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)


def build_optimizer(plan: FitPlan, steps: int) -> keras.optimizers.Optimizer:
    """Adam or LAMB, the learning rate following one cosine from its peak to zero over all steps.

    LAMB scales each layer's step to the size of its weights, and warms up over the first tenth. Sources:
    Loshchilov and Hutter 2017, "SGDR"; You et al. 2020, "Large Batch Optimization for Deep Learning".
    """
    if plan.optimizer == "adam":
        return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(plan.learning_rate, steps))
    warm_up = max(1, steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        plan.learning_rate / warm_up,
        max(1, steps - warm_up),
        warmup_target=plan.learning_rate,
        warmup_steps=warm_up,
    )
    return keras.optimizers.Lamb(schedule)


def fit(
    fitting: Fitting,
    train: Examples,
    val: Examples,
    state: FitState,
    on_epoch: Callable[[FitState], None],
) -> FitState:
    """Train until the plan's epochs are over or validation loss has stopped falling.

    Goes on from `state` when that holds epochs; `on_epoch` is told after each.
    """
    if state.history:
        fitting.load_from(state)
    while not state.finished(fitting.plan):
        started = time.monotonic()
        epoch = len(state.history) + 1
        loss, accuracy = fitting.run_epoch(train, epoch, training=True)
        seconds = time.monotonic() - started
        val_loss, val_accuracy = fitting.run_epoch(val, 0, training=False)
        if not np.isfinite(val_loss):
            raise Diverged(
                f"Training diverged in epoch {epoch}: the validation loss is {val_loss}. "
                "Try a lower learning rate."
            )
        state.history.append(
            {
                "epoch": epoch,
                "loss": loss,
                "accuracy": accuracy,
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
                "learning_rate": float(fitting.optimizer.learning_rate.numpy()),
                "seconds": seconds,
                "images_per_second": len(train.labels) / seconds,
            }
        )
        fitting.save_to(state)
        if state.best_epoch == epoch:
            state.best = fitting.model.get_weights()
        on_epoch(state)
    return state


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))


def loss_and_hits(labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Loss summed over a batch, and how many predictions are right; padding rows count for nothing."""
    right = tf.cast(tf.argmax(logits, 1, tf.int32) == labels, tf.float32)
    return tf.reduce_sum(cross_entropy(labels, logits) * weights), tf.reduce_sum(right * weights)


def choose_precision(
    precision: str,
    build: Callable[[], keras.Model],
    strategy: tf.distribute.Strategy,
    plan: FitPlan,
    train: Examples,
) -> str:
    """Set and return the precision to train in; `auto` times a few steps of each on this very device."""
    if precision == "auto":
        precision = min(PRECISIONS, key=lambda name: _step_seconds(name, build, strategy, plan, train))
    if plan.world_size > 1:
        precision = ray.train.collective.broadcast_from_rank_zero(precision)
    set_precision(precision)
    return precision


def set_precision(precision: str) -> None:
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")


def _step_seconds(
    precision: str,
    build: Callable[[], keras.Model],
    strategy: tf.distribute.Strategy,
    plan: FitPlan,
    train: Examples,
) -> float:
    """Seconds of the fastest of a few steps after the one that compiles."""
    set_precision(precision)
    fitting = Fitting(build, strategy, plan, len(train.labels))
    order = np.arange(min(plan.batch_size, len(train.labels)))
    batch = fitting._per_replica(
        next(epoch_batches(train, order, 0, plan.batch_size, plan.rank, plan.world_size))
    )
    seconds = []
    for _ in range(1 + TRIAL_STEPS):
        started = time.monotonic()
        float(fitting._train(*batch)[0])
        seconds.append(time.monotonic() - started)
    return min(seconds[1:])
