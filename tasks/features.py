"""Frozen MobileNetV2 features, computed once for each image and view. Imported by workers only."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import ray.train
import ray.train.collective
import tensorflow as tf

from tasks import storage
from tasks.batches import ahead, augment, uniform
from tasks.settings import Augmentation
from tasks.shards import Split

BATCH = 64


def cached_features(
    base: keras.Model, split: Split, views: int, augmentation: Augmentation, seed: int, url: str
) -> np.ndarray:
    """Features float16 [views, images, width] of a split, memory-mapped from `url`.

    View 0 is the image itself, the others are drawn from the seed. Every worker computes its share of
    the rows and reads the others' once all are there; what an interrupted run left is taken over.
    """
    rank, workers = ray.train.get_context().get_world_rank(), ray.train.get_context().get_world_size()
    bounds = np.linspace(0, len(split), workers + 1).astype(int)
    places = [f"{url}-{worker + 1}-of-{workers}.npy" for worker in range(workers)]
    if not storage.exists(places[rank]):
        rows = np.arange(bounds[rank], bounds[rank + 1])
        with storage.committing(places[rank]) as path:
            _compute(base, split, rows, views, augmentation, seed, path)
    ray.train.collective.barrier()
    return _joined(places)


def _compute(
    base: keras.Model,
    split: Split,
    rows: np.ndarray,
    views: int,
    augmentation: Augmentation,
    seed: int,
    path: str,
) -> None:
    """Write float16 [views, rows, width] to `path`, the batches of one shape so that one graph serves."""
    forward = tf.function(lambda images: base(images, training=False))
    out = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.float16, shape=(views, len(rows), base.output_shape[-1])
    )
    work = [(view, start) for view in range(views) for start in range(0, len(rows), BATCH)]

    def batches() -> Iterator[tuple[int, int, int, np.ndarray]]:
        for view, start in work:
            indices = rows[start : start + BATCH]
            images = split.take(np.resize(indices, BATCH))
            if view:
                draws = uniform(seed, view, indices, 4)
                images[: len(indices)] = augment(images[: len(indices)], draws, augmentation)
            yield view, start, len(indices), images

    for view, start, count, images in ahead(batches):
        out[view, start : start + count] = forward(tf.constant(images)).numpy()[:count]
    out.flush()


def _joined(places: Sequence[str]) -> np.ndarray:
    parts = [np.load(storage.local_copy(place), mmap_mode="r") for place in places]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts, axis=1)
