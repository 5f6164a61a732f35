"""The only door to Keras: builds the networks, loads and converts saved models, and runs them.

The modules named in `__all__` load TensorFlow, which takes seconds: import them in worker processes, or in
the functions that need them.
"""

from tasks.networks.archive import read_model_file, read_verified, weights_sha256
from tasks.networks.engines import OnnxClassifier, at_hand, load_classifier
from tasks.networks.predict import Head, look_at, look_at_splits, predict_split
from tasks.networks.threads import (
    gpus_of_a_task,
    memory_of_a_task,
    node_resources,
    use_granted_cpus,
)
from tasks.networks.version import BATCH, ModelVersion, check_unregistered

__all__ = [
    "BATCH",
    "Head",
    "ModelVersion",
    "OnnxClassifier",
    "architectures",
    "at_hand",
    "check_unregistered",
    "convert",
    "gpus_of_a_task",
    "gradcam",
    "keras_engine",
    "load_classifier",
    "look_at",
    "look_at_splits",
    "memory_of_a_task",
    "node_resources",
    "predict_split",
    "read_model_file",
    "read_verified",
    "use_granted_cpus",
    "weights_sha256",
]
