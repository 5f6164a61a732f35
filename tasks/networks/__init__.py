"""The only door to Keras: architectures, saved versions, and what runs them.

Its modules named in `__all__` load TensorFlow: only worker processes, and whoever needs them, import them.
"""

from tasks.networks.archive import checked
from tasks.networks.engines import OnnxClassifier, load_classifier
from tasks.networks.predict import predict_split, predict_splits
from tasks.networks.threads import use_granted_cpus
from tasks.networks.version import BATCH, ModelVersion, check_unregistered

__all__ = [
    "BATCH",
    "ModelVersion",
    "OnnxClassifier",
    "architectures",
    "check_unregistered",
    "checked",
    "convert",
    "gradcam",
    "keras_engine",
    "load_classifier",
    "predict_split",
    "predict_splits",
    "use_granted_cpus",
]
