"""What training reads: a fresh shuffle each epoch, augmented per image, cut into batches of one shape."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np
import scipy

from tasks.dataset import Split
from tasks.parameters import Augmentation

T = TypeVar("T")


class Examples(Protocol):
    """Labelled inputs of a model, gathered by index as they look in one epoch."""

    labels: np.ndarray

    def gather(self, indices: np.ndarray, epoch: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Batch:
    """This worker's rows of one global batch, padded to the same number for every batch.

    inputs: [rows, ...]. labels: int [rows]. mixed_labels: int [rows], of the inputs that were mixed in.
    shares: float32 [rows], how much of each input is its own, from 0.5 to 1. weights: float32 [rows], 0 for
    padding, so that sums over a batch are exact. global_rows: rows of the global batch over all workers.
    """

    inputs: np.ndarray
    labels: np.ndarray
    mixed_labels: np.ndarray
    shares: np.ndarray
    weights: np.ndarray
    global_rows: int


class ImageExamples:
    """Images of a split, each drawn anew every epoch."""

    def __init__(self, split: Split, augmentation: Augmentation, seed: int):
        self.labels = split.labels
        self._split, self._augmentation, self._seed = split, augmentation, seed

    def gather(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        images = self._split.take(indices)
        return augment(images, uniform(self._seed, epoch, indices, 4), self._augmentation)


class CachedRows:
    """Arrays [views, rows, ...] laid end to end along their rows, gathered without joining them in memory.

    bounds: the first row of each array, and the number of rows at the end.
    """

    def __init__(self, parts: Sequence[np.ndarray], bounds: np.ndarray):
        self.views = len(parts[0])
        self._parts, self._bounds = parts, bounds

    def take(self, views: np.ndarray, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self._parts[0].shape[2:]), self._parts[0].dtype)
        holders = np.searchsorted(self._bounds, rows, side="right") - 1
        for number, part in enumerate(self._parts):
            here = holders == number
            out[here] = part[views[here], rows[here] - self._bounds[number]]
        return out


class CachedExamples:
    """Outputs of a frozen base for every view of each image; an epoch draws one view of each image."""

    def __init__(self, cached: CachedRows, labels: np.ndarray, seed: int):
        self.labels = labels
        self._cached, self._seed = cached, seed

    def gather(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        views = uniform(self._seed, epoch, indices, 1)[:, 0] * self._cached.views
        return self._cached.take(views.astype(np.int64), indices)


def uniform(seed: int, epoch: int, indices: np.ndarray, draws: int) -> np.ndarray:
    """Random numbers in [0, 1), float64 [len(indices), draws], that depend on seed, epoch and index alone.

    So an image is augmented alike whatever batch, replica or worker it falls to.
    Source: SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
    """
    key = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    counter = indices.astype(np.uint64)[:, None] * np.uint64(draws) + np.arange(1, draws + 1, dtype=np.uint64)
    z = key + counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def augment(images: np.ndarray, draws: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """Rotate, shift and flip each image by its draws (float [n, 4] in [0, 1)), edges mirrored.

    images: uint8 [n, size, size, 3]; returns the same shape, or `images` itself when nothing is asked.
    """
    if not (augmentation.flip or augmentation.shift or augmentation.rotation):
        return images
    size = images.shape[1]
    shifts = np.rint((2 * draws[:, 1:3] - 1) * augmentation.shift * size).astype(int).tolist()
    angles = (2 * draws[:, 3] - 1) * augmentation.rotation
    flips = augmentation.flip & (draws[:, 0] < 0.5)
    out = np.empty_like(images)
    for into, image, (across, down), degrees, flip in zip(out, images, shifts, angles, flips, strict=True):
        # To shift alone is the same as to rotate by nothing, in a quarter of the time.
        moved = rotate(image, degrees, across, down) if augmentation.rotation else shift(image, across, down)
        if flip:
            cv2.flip(moved, 1, dst=into)
        else:
            into[...] = moved
    return out


def rotate(image: np.ndarray, degrees: float, across: int, down: int) -> np.ndarray:
    size = len(image)
    matrix = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), degrees, 1.0)
    matrix[:, 2] += across, down
    return cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)


def shift(image: np.ndarray, across: int, down: int) -> np.ndarray:
    size, top, bottom = len(image), max(down, 0), max(-down, 0)
    before, after = max(across, 0), max(-across, 0)
    bordered = cv2.copyMakeBorder(image, top, bottom, before, after, cv2.BORDER_REFLECT_101)
    return bordered[bottom : bottom + size, after : after + size]


@dataclass(frozen=True)
class Mixup:
    """Every input is laid over another one, each by its share, which Beta(alpha, alpha) draws.

    Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization".
    """

    alpha: float
    seed: int

    def draw(self, indices: np.ndarray, epoch: int, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A partner from the global batch for each input, and the input's own share, float32 from 0.5."""
        draws = uniform(self.seed + 1, epoch, indices, 2)
        share = scipy.special.betaincinv(self.alpha, self.alpha, draws[:, 1])
        partners = batch[(draws[:, 0] * len(batch)).astype(np.int64)]
        return partners, np.maximum(share, 1 - share).astype(np.float32)

    def gather(
        self, examples: Examples, indices: np.ndarray, epoch: int, batch: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The mixed inputs, the labels of those mixed in, and the shares; each input is gathered once."""
        partners, shares = self.draw(indices, epoch, batch)
        needed, places = np.unique(np.concatenate([indices, partners]), return_inverse=True)
        inputs, count = examples.gather(needed, epoch), len(indices)
        mixed = np.empty((count, *inputs.shape[1:]), inputs.dtype)
        for out, place, partner, share in zip(
            mixed, places[:count], places[count:], shares.tolist(), strict=True
        ):
            cv2.addWeighted(inputs[place], share, inputs[partner], 1.0 - share, 0.0, dst=out)
        return mixed, examples.labels[partners], shares


def epoch_batches(
    examples: Examples,
    order: np.ndarray,
    epoch: int,
    batch_size: int,
    rank: int,
    world_size: int,
    mixup: Mixup | None = None,
) -> Iterator[Batch]:
    """Yield this worker's rows of every global batch over `order`, padded to the same number for each.

    Every worker walks the same order and takes its own rows, so the global batches are the same however
    many workers there are.
    """
    worker_rows = -(-batch_size // world_size)
    for start in range(0, len(order), batch_size):
        global_batch = order[start : start + batch_size]
        rows = global_batch[rank * worker_rows : (rank + 1) * worker_rows]
        weights = np.zeros(worker_rows, np.float32)
        weights[: len(rows)] = 1.0
        padded = np.concatenate([rows, np.zeros(worker_rows - len(rows), np.int64)])
        labels = examples.labels[padded]
        if mixup:
            inputs, mixed_labels, shares = mixup.gather(examples, padded, epoch, global_batch)
        else:
            inputs, mixed_labels = examples.gather(padded, epoch), labels
            shares = np.ones(worker_rows, np.float32)
        yield Batch(inputs, labels, mixed_labels, shares, weights, len(global_batch))


def shuffled(rows: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(rows)
