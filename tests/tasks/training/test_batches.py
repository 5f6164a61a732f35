"""What a model sees of an image depends on seed, epoch and index, not on who computes it."""

import itertools

import numpy as np
import pytest

from tasks.ahead import prefetch
from tasks.parameters import Augmentation
from tasks.training.batches import (
    CachedExamples,
    CachedRows,
    Mixup,
    augment,
    epoch_batches,
    shuffled,
    uniform,
)


class Numbers:
    """Rows that are their own index."""

    def __init__(self, rows: int):
        self.labels = np.arange(rows)

    def gather(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        return indices.astype(np.float32)


def test_an_images_draws_do_not_depend_on_its_batch():
    together = uniform(3, 5, np.arange(1000), 4)
    alone = np.concatenate([uniform(3, 5, np.array([index]), 4) for index in range(1000)])
    assert np.array_equal(together, alone)
    assert not np.array_equal(together, uniform(3, 6, np.arange(1000), 4))


def test_draws_are_uniform_and_unrelated():
    draws = uniform(0, 1, np.arange(20_000), 4)
    assert np.allclose(draws.mean(0), 0.5, atol=0.01)
    assert np.abs(np.corrcoef(draws.T) - np.eye(4)).max() < 0.03


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_share_each_global_batch_and_weigh_every_row_once(workers: int):
    order = shuffled(103, seed=0, epoch=1)
    walks = [list(epoch_batches(Numbers(103), order, 1, 20, worker, workers)) for worker in range(workers)]
    assert len({batch.labels.shape for batch in itertools.chain(*walks)}) == 1
    for step, batches in enumerate(zip(*walks, strict=True)):
        seen = np.concatenate([batch.labels[batch.weights > 0] for batch in batches])
        assert np.array_equal(seen, order[step * 20 : (step + 1) * 20])
        assert {batch.global_rows for batch in batches} == {len(seen)}


def test_a_flip_mirrors_and_no_augmentation_changes_nothing():
    images = np.random.default_rng(0).integers(0, 255, (2, 16, 16, 3), dtype=np.uint8)
    draws = np.array([[0.1, 0.5, 0.5, 0.5], [0.9, 0.5, 0.5, 0.5]])
    flipped = augment(images, draws, Augmentation(flip=True))
    assert np.array_equal(flipped[0], images[0, :, ::-1])
    assert np.array_equal(flipped[1], images[1])
    assert augment(images, draws, Augmentation()) is images


def test_a_shift_moves_whole_pixels():
    images = np.random.default_rng(0).integers(0, 255, (1, 20, 20, 3), dtype=np.uint8)
    draws = np.array([[0.9, 1.0, 0.25, 0.5]])
    moved = augment(images, draws, Augmentation(shift=0.1))
    assert np.array_equal(moved[0, :-1, 2:], images[0, 1:, :-2])
    assert np.array_equal(moved[0, :-1, :2], images[0, 1:, 2:0:-1])
    turned = augment(images, draws, Augmentation(shift=0.1, rotation=1e-9))
    assert np.array_equal(turned, moved)


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 3), (np.float16, 96)])
def test_inputs_are_mixed_with_others_by_the_share_of_their_label(dtype: type, channels: int):
    class Greys:
        labels = np.arange(100)

        def gather(self, indices: np.ndarray, epoch: int) -> np.ndarray:
            return np.tile(indices.astype(dtype)[:, None, None, None], (1, 4, 4, channels))

    order = shuffled(100, seed=0, epoch=1)
    mixup = Mixup(alpha=0.2, seed=0)
    [batch] = epoch_batches(Greys(), order, 1, 100, 0, 1, mixup)
    mixed = batch.shares * batch.labels + (1 - batch.shares) * batch.mixed_labels
    error = batch.inputs.astype(np.float32) - mixed[:, None, None, None]
    assert np.abs(error).max() <= (0.5001 if dtype == np.uint8 else 0.04)
    assert batch.shares.min() >= 0.5
    assert 0.5 < (batch.shares > 0.95).mean() < 0.9
    halves = [next(epoch_batches(Greys(), order, 1, 100, shard, 2, mixup)) for shard in (0, 1)]
    assert np.array_equal(np.concatenate([half.inputs for half in halves]), batch.inputs)


def test_every_view_of_what_is_cached_is_drawn_whatever_part_it_lies_in():
    parts = [np.zeros((3, rows, 2), np.float16) for rows in (30, 20)]
    for part, first in zip(parts, (0, 30), strict=True):
        part[:, :, 0] = np.arange(3)[:, None]
        part[:, :, 1] = np.arange(first, first + part.shape[1])
    examples = CachedExamples(CachedRows(parts, np.array([0, 30, 50])), np.zeros(50, np.int32), seed=0)
    indices = np.random.default_rng(0).permutation(50)
    drawn = np.stack([examples.gather(indices, epoch) for epoch in range(4)])
    assert set(drawn[:, :, 0].ravel()) == {0.0, 1.0, 2.0}
    assert np.array_equal(drawn[:, :, 1], np.tile(indices, (4, 1)))


def test_an_error_while_reading_ahead_is_raised_to_the_reader():
    def broken():
        yield 1
        raise OSError("disk gone")

    reader = prefetch(broken)
    assert next(reader) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(reader)
