"""The memory that a training takes on CPUs, estimated beforehand."""

import logging

from tasks.networks import node_resources
from tasks.parameters import ModelKind, Training
from tasks.training.cluster import largest_share

# By measurement (`BENCH=memory make bench`), within a quarter.
PROCESS_BYTES = 1.25e9  # TensorFlow with its kernels in two precisions, and small models
BYTES_A_PIXEL: dict[ModelKind, float] = {
    "cnn": 420,
    "mobilenet_v2": 730,
}  # of each image that gives gradients
CNN_DENSE_BYTES = 18_400  # of each pixel of the picture: nine copies of the large dense layer
FORWARD_SHARE = 0.45  # of that, where an image gives none
SETTLING_IMAGES, FROZEN_IMAGES = 128, 64  # which MobileNetV2 sees so at once: from random weights, pretrained
TAIL_SHARE = 0.3  # what its last blocks take of the whole

MEGABYTE = 1e6

log = logging.getLogger("darkroom")


def needed_bytes(kind: ModelKind, training: Training) -> float:
    """What each worker takes at its peak."""
    images, pixels = training.batch_size / training.workers, training.image_size**2
    if kind == "cnn":
        return PROCESS_BYTES + pixels * (images * BYTES_A_PIXEL[kind] + CNN_DENSE_BYTES)
    if training.weights == "none":
        images = max(images, FORWARD_SHARE * SETTLING_IMAGES)
    else:
        images = max(images * TAIL_SHARE, FORWARD_SHARE * FROZEN_IMAGES)
    return PROCESS_BYTES + pixels * images * BYTES_A_PIXEL[kind]


def tell_memory(training: Training) -> None:
    """Say so where the nodes have less memory than workers on their CPUs take."""
    nodes = node_resources()
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
