"""Training under Ray Train and tf.distribute: phases, one loop, checkpoints."""

from tasks.training.history import read_history
from tasks.training.room import LOST_NODE_SECONDS
from tasks.training.run import (
    TrainedModel,
    check_machines,
    check_resumed,
    dataset_begun,
    open_run,
    read_run,
    read_wait,
    train_model,
)

__all__ = [
    "LOST_NODE_SECONDS",
    "TrainedModel",
    "check_machines",
    "check_resumed",
    "dataset_begun",
    "open_run",
    "read_history",
    "read_run",
    "read_wait",
    "train_model",
]
