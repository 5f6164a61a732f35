"""A dataset four times the memory trains: dataset and cached activations stay on disk."""

import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from tasks import storage
from tasks.dataset.records import Dataset
from tasks.parameters import Augmentation
from tasks.training.batches import (
    CachedExamples,
    CachedRows,
    Examples,
    ImageExamples,
    epoch_batches,
    shuffled,
)

ROWS, SIZE = 16_000, 96
DATASET_BYTES = ROWS * SIZE * SIZE * 3


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """440 MB of black images, sparse on disk."""
    url = str(tmp_path_factory.mktemp("dataset"))
    Path(storage.shards_url(url)).mkdir()
    shape = (ROWS, SIZE, SIZE, 3)
    np.lib.format.open_memmap(storage.pixels_url(url, 0), mode="w+", dtype=np.uint8, shape=shape).flush()
    rows = {
        "path": [f"{row}.jpg" for row in range(ROWS)],
        "label": ["a"] * ROWS,
        "part": [0] * ROWS,
        "row": list(range(ROWS)),
        "status": ["ok"] * ROWS,
        "split": ["train"] * ROWS,
        "brightness": [0.0] * ROWS,
        "sharpness": [0.0] * ROWS,
        "width": [SIZE] * ROWS,
        "height": [SIZE] * ROWS,
    }
    storage.write_table(storage.index_url(url), pa.table(rows))
    return Dataset(url, "", "", ("a",), SIZE, {"train": ROWS}, 0, 0, 0, 0)


def walk_in_a_quarter(dataset: Dataset, cached: bool) -> int:
    """Rows of one epoch, walked by a process that may take a quarter of the dataset in new memory."""
    examples: Examples = ImageExamples(dataset.split("train"), Augmentation(flip=True), 0)
    if cached:
        pixels = np.load(storage.pixels_url(dataset.url, 0), mmap_mode="r")[None]
        examples = CachedExamples(CachedRows([pixels], np.array([0, ROWS])), examples.labels, 0)
    limit = psutil.Process().memory_info().data + DATASET_BYTES // 4
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with pytest.raises(MemoryError):
        np.ones(DATASET_BYTES // 2, np.uint8)
    batches = epoch_batches(examples, shuffled(ROWS, 0, 1), 1, 128, 0, 1)
    return sum(int(batch.weights.sum()) for batch in batches)


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
def test_an_epoch_takes_no_more_memory_than_a_few_batches(dataset: Dataset, cached: bool):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(walk_in_a_quarter, dataset, cached).result() == ROWS
