"""Training under Ray Train and tf.distribute: phases, one loop, checkpoints."""

from tasks.training.history import read_history
from tasks.training.run import TrainedModel, open_run, read_failures, read_run, train_model

__all__ = ["TrainedModel", "open_run", "read_failures", "read_history", "read_run", "train_model"]
