"""The memory that a training takes on CPUs, estimated beforehand."""

import logging

import ray

from tasks.parameters import ModelKind, Training
from tasks.training.cluster import largest_share

PROCESS_BYTES = 1.2e9  # TensorFlow, a model in two precisions, and what its checkpoint holds
BYTES_A_PIXEL: dict[tuple[ModelKind, bool], float] = {  # of each image of a batch; whether pretrained
    ("cnn", False): 0.0,
    ("cnn", True): 0.0,
    ("mobilenet_v2", False): 0.0,
    ("mobilenet_v2", True): 0.0,
}
MEGABYTE = 1e6

log = logging.getLogger("darkroom")


def needed_bytes(kind: ModelKind, training: Training) -> float:
    """What each worker takes at its peak, by measurement (`BENCH=memory make bench`), within a quarter."""
    images = -(-training.batch_size // training.workers)
    pixels = images * training.image_size**2
    return PROCESS_BYTES + pixels * BYTES_A_PIXEL[kind, training.weights != "none"]


def tell_memory(training: Training) -> None:
    """Say so where the nodes have less memory than workers on their CPUs take."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(node.get("GPU") for node in nodes):
        return
    megabytes = largest_share([int(node.get("memory", 0) / MEGABYTE) for node in nodes], training.workers)
    for kind in training.models:
        needed = needed_bytes(kind, training) / MEGABYTE
        if megabytes < needed:
            log.warning(
                "Training %s takes about %.1f GB of memory a worker, and there are %.1f: it may be killed. "
                "Pass a smaller `batch_size` or `image_size`.",
                kind,
                needed / 1000,
                megabytes / 1000,
            )
