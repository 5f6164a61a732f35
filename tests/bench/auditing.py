"""Finding duplicates among a million images, beside the sorting it cannot do without."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tasks.dataset.duplicates import Copies, find_copies
from tests.bench.measure import Measured, best_rate

IMAGES = 1_000_000
COPIES = 20_000


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, IMAGES, dtype=np.uint64)
    hashes[:COPIES] = hashes[-COPIES:] ^ np.uint64(0b10001)
    pixels = random.permutation(IMAGES)
    splits = random.integers(0, 3, IMAGES)
    thumbnail = random.integers(0, 255, (1, 16, 16), dtype=np.uint8)

    def thumbnails(numbers: np.ndarray) -> np.ndarray:
        return np.broadcast_to(thumbnail, (len(numbers), 16, 16))

    def find() -> Copies:
        return find_copies(pixels, hashes, splits, thumbnails)

    tracemalloc.start()
    assert IMAGES - len(np.unique(find().group)) >= COPIES  # a few more are alike by chance
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    yield Measured(
        "near duplicates of a million images",
        best_rate(find, IMAGES),
        "sorting their hashes 28 times",
        best_rate(lambda: [np.sort(hashes) for _ in range(28)], IMAGES),
    )
    yield Measured("their peak memory", peak, "the hashes", hashes.nbytes / 2**20, "MB")
