"""Outputs of a frozen base for every image and view, computed once. Imported by workers only."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache

import keras
import numpy as np
import ray.train
import ray.train.collective
import tensorflow as tf

from tasks import storage
from tasks.ahead import prefetch
from tasks.dataset import Split
from tasks.networks import OnnxClassifier, convert, keras_engine
from tasks.parameters import Augmentation
from tasks.training.batches import CachedRows, augment, uniform

BATCH = 64  # on CPUs
Forward = Callable[[np.ndarray | tf.Tensor], Sequence[np.ndarray]]

log = logging.getLogger("darkroom")


def cached_outputs(
    frozen: keras.Model,
    split: Split,
    views: int,
    augmentation: Augmentation,
    seed: int,
    urls: Sequence[str],
) -> list[CachedRows]:
    """One float16 array [views, images, ...] for each output of `frozen`, memory-mapped from `urls`.

    View 0 is the image itself, the others are drawn from the seed. Every worker computes its share of
    the rows and reads the others' once all are there; what an interrupted run left is taken over.
    """
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    bounds = np.linspace(0, len(split), world_size + 1).astype(int)
    parts = [[f"{url}-{worker + 1}-of-{world_size}.npy" for worker in range(world_size)] for url in urls]
    own_parts = [worker_parts[rank] for worker_parts in parts]
    if not all(storage.exists(part) for part in own_parts):
        rows = np.arange(bounds[rank], bounds[rank + 1])
        _compute(frozen, split, rows, views, augmentation, seed, own_parts)
    ray.train.collective.barrier()
    return [
        CachedRows([np.load(storage.local_copy(part), mmap_mode="r") for part in worker_parts], bounds)
        for worker_parts in parts
    ]


def _compute(
    frozen: keras.Model,
    split: Split,
    rows: np.ndarray,
    views: int,
    augmentation: Augmentation,
    seed: int,
    urls: Sequence[str],
) -> None:
    """Write each output of `frozen` as float16 [views, rows, ...], in batches of one shape."""
    forward, on_gpu = forward_here(frozen), keras_engine.has_gpu()
    batch = keras_engine.most_at_once(frozen.input_shape[1], forward) if on_gpu else BATCH

    def inputs() -> Iterator[tuple[int, int, np.ndarray | tf.Tensor, int]]:
        """A GPU's are copied to it while it computes those before."""
        for view, start, images, count in _views(split, rows, batch, views, augmentation, seed):
            yield view, start, tf.constant(images) if on_gpu else images, count

    with ExitStack() as stack:
        outs = [
            storage.new_array(
                stack.enter_context(storage.committing(url, patient=True)),
                np.float16,
                (views, len(rows), *output.shape[1:]),
            )
            for url, output in zip(urls, frozen.outputs, strict=True)
        ]
        for view, start, images, count in prefetch(inputs):
            for out, values in zip(outs, forward(images), strict=True):
                out[view, start : start + count] = values[:count]
        for out in outs:
            out.flush()


@lru_cache(maxsize=1)
def forward_here(frozen: keras.Model) -> Forward:
    """All outputs of `frozen` for a batch, float32 [n, ...]: by TensorFlow on GPUs, on CPUs by ONNX Runtime.

    There that is 2.4 times as fast; with pretrained weights the outputs differ by 3e-6 of the largest. A
    network that cannot be exported is run by TensorFlow. The last one is kept: a training has two splits.
    """
    if not keras_engine.has_gpu():
        try:
            return OnnxClassifier(convert.onnx_bytes(frozen)).outputs
        except Exception as error:  # converters raise errors of many kinds
            log.warning("MobileNetV2's frozen part could not be exported to ONNX: %s", error)
    traced = tf.function(lambda images: tf.nest.flatten(frozen(images, training=False)), autograph=False)
    return lambda images: [output.numpy() for output in traced(images)]


def _views(
    split: Split, rows: np.ndarray, batch: int, views: int, augmentation: Augmentation, seed: int
) -> Iterator[tuple[int, int, np.ndarray, int]]:
    """Yield view, first row, images uint8 [batch, size, size, 3] and how many of them count."""
    for view in range(views):
        for start in range(0, len(rows), batch):
            indices = rows[start : start + batch]
            padded = np.resize(indices, batch)
            images = split.take(padded)
            if view:
                images = augment(images, uniform(seed, view, padded, 4), augmentation)
            yield view, start, images, len(indices)
