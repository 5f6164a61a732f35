"""A dataset four times the memory trains, and no step holds more than it must."""

import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
import ray

from tasks import storage
from tasks.dataset.records import Dataset
from tasks.parameters import Augmentation, Training
from tasks.training.batches import (
    CachedExamples,
    CachedRows,
    Examples,
    ImageExamples,
    epoch_batches,
    shuffled,
)
from tasks.training.memory import tell_memory
from tests.peak import peak_bytes

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


def settle_at_64_px() -> int:
    """Bytes that settling a MobileNetV2 on 128 images takes on top of the rest of a process."""
    from tasks.networks import architectures

    whole = architectures.build_mobilenet_v2(6, 64)
    before = peak_bytes()
    architectures.settle_batch_norm(whole, np.zeros((128, 64, 64, 3), np.uint8))
    return peak_bytes() - before


def test_a_network_gives_up_each_activation_once_it_is_read():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(settle_at_64_px).result() < 500e6  # 1 GB where all are kept


def convert_cnn() -> int:
    """Bytes that making the model.onnx of a CNN of 150 px takes on top of the rest of a process."""
    from tasks.networks import architectures, convert

    cnn = architectures.build_cnn(6, 150)
    before = peak_bytes()
    convert.onnx_bytes(cnn)
    return peak_bytes() - before


@pytest.mark.slow
def test_a_conversion_keeps_no_more_copies_of_a_network_than_it_reads():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(convert_cnn).result() < 1.2e9  # 2 GB where Python collects as it likes


def test_a_machine_with_too_little_memory_is_told_of_before_training(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    training = Training(models=("cnn", "mobilenet_v2"), weights="none", batch_size=64, image_size=150)
    for gigabytes, kinds in ((1, "cnn mobilenet_v2"), (2.285, "mobilenet_v2"), (8, "")):
        caplog.clear()
        node = {"Alive": True, "Resources": {"CPU": 2.0, "memory": gigabytes * 1e9}}
        monkeypatch.setattr(ray, "nodes", lambda node=node: [node])
        tell_memory(training)
        assert " ".join(record.args[0] for record in caplog.records) == kinds
