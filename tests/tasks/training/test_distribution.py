"""One worker, two replicas and two workers on two nodes train alike; metrics are exact on all of them."""

import multiprocessing
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import ray
from ray.cluster_utils import Cluster

from flows.runtime import ray_options
from tasks import storage
from tasks.dataset.index import commit_dataset
from tasks.dataset.manifest import list_images
from tasks.dataset.parts import decode_part, plan_parts
from tasks.dataset.records import Dataset
from tasks.errors import InputError
from tasks.networks import architectures
from tasks.parameters import MobilenetParameters
from tasks.storage import Run
from tasks.training import loop
from tasks.training import run as run_module
from tasks.training.cluster import largest_share
from tasks.training.history import read_history
from tasks.training.loop import FitPlan
from tasks.training.run import train_model
from tests.tasks.training.replicas import RECIPE, one_epoch, train_and_keep_weights, train_beside_another

Epoch = tuple[list[float], float, list[np.ndarray]]


@pytest.fixture(scope="module")
def dataset(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """52 training images: three batches of 16 and a last one of 4."""
    store = str(tmp_path_factory.mktemp("store"))
    manifest = list_images.fn(str(sample), store, 32, 0.1)
    return commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 0.1)


@pytest.fixture(scope="module")
def alone(dataset: Dataset) -> Epoch:
    return one_epoch(dataset, 1)


def test_the_last_batch_is_a_mixed_one(dataset: Dataset, alone: Epoch):
    assert dataset.counts["train"] % RECIPE.batch_size
    assert len(alone[0]) == -(-dataset.counts["train"] // RECIPE.batch_size)


def test_replicas_of_one_worker_train_as_one(dataset: Dataset, alone: Epoch):
    fresh = multiprocessing.get_context("spawn")  # TensorFlow's devices are fixed once it has run
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        losses, val_loss, weights = pool.submit(one_epoch, dataset, replicas=3).result()
    np.testing.assert_allclose(losses, alone[0], rtol=2e-4)
    assert val_loss == pytest.approx(alone[1], rel=1e-4)
    for actual, expected in zip(weights, alone[2], strict=True):
        np.testing.assert_allclose(actual, expected, atol=2e-3)


def test_half_the_bits_train_alike(dataset: Dataset, alone: Epoch):
    try:
        losses, val_loss, _ = one_epoch(dataset, 1, "bfloat16")
    finally:
        loop.set_precision("float32")
    np.testing.assert_allclose(losses, alone[0], rtol=0.05)
    assert val_loss == pytest.approx(alone[1], rel=0.05)


def test_auto_takes_the_precision_that_was_faster(monkeypatch: pytest.MonkeyPatch):
    seconds = {"float32": 2.0, "bfloat16": 1.0}
    monkeypatch.setattr(loop, "_step_seconds", lambda precision, *_: seconds[precision])
    plan = FitPlan("adam", 1, 1, 1e-3, RECIPE, rank=0, world_size=1)
    try:
        assert loop.choose_precision("auto", None, None, plan, None) == "bfloat16"
        assert keras.config.dtype_policy().compute_dtype == "bfloat16"
        seconds["bfloat16"] = 3.0
        assert loop.choose_precision("auto", None, None, plan, None) == "float32"
    finally:
        loop.set_precision("float32")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def two_nodes(cluster: Cluster) -> Iterator[None]:
    ray.init(address=cluster.address, **ray_options())
    yield
    ray.shutdown()


@pytest.mark.slow
def test_two_workers_on_two_nodes_train_as_one(
    dataset: Dataset, alone: Epoch, two_nodes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = Run("two", str(tmp_path))
    monkeypatch.setattr(run_module, "train_worker", train_and_keep_weights)
    train_model.fn("cnn", dataset, RECIPE.model_copy(update={"workers": 2}), run)
    [row] = read_history(storage.history_url(run.kind_url("cnn")))
    assert row["loss"] == pytest.approx(sum(alone[0]) / dataset.counts["train"], rel=2e-4)
    assert row["val_loss"] == pytest.approx(alone[1], rel=1e-3)
    first, second = (np.load(tmp_path / f"weights-{rank}.npz") for rank in (0, 1))
    for name in first.files:
        assert np.array_equal(first[name], second[name])

    with pytest.raises(InputError, match="3 workers"):
        train_model.fn("cnn", dataset, RECIPE.model_copy(update={"workers": 3}), Run("three", str(tmp_path)))


@pytest.mark.slow
def test_a_pretrained_base_stays_as_it_was_below_what_is_fine_tuned(
    dataset: Dataset, two_nodes: None, tmp_path: Path
):
    whole = architectures.build_mobilenet_v2(len(dataset.classes), 32)
    architectures.settle_batch_norm(whole, dataset.split("train").take(np.arange(32)))
    base = whole.get_layer(architectures.BASE_NAME)
    base.save_weights(tmp_path / "base.weights.h5")
    recipe = RECIPE.model_copy(
        update={
            "weights": str(tmp_path / "base.weights.h5"),
            "workers": 2,
            "mobilenet_v2": MobilenetParameters(views=2, fine_tune_epochs=1, fine_tune_learning_rate=1e-5),
        }
    )
    run = Run("run", str(tmp_path))
    trained = train_model.fn("mobilenet_v2", dataset, recipe, run)
    assert trained.epochs == 2
    model = keras.models.load_model(storage.model_url(run.version_url("mobilenet_v2")))
    after = model.get_layer(architectures.BASE_NAME)
    changed = {
        layer.name
        for layer, original in zip(after.layers, base.layers, strict=True)
        if any(
            not np.array_equal(a, b) for a, b in zip(layer.get_weights(), original.get_weights(), strict=True)
        )
    }
    above = tuple(f"block_{number}_" for number in range(10, 17))
    assert all(name.startswith((*above, "Conv_1")) for name in changed)
    assert ("block_10_expand" in changed) == (trained.best_epoch > 1)
    assert not storage.exists(storage.cache_url(run.kind_url("mobilenet_v2")))


@pytest.mark.slow
def test_rare_classes_count_as_the_balance_of_a_training_says(sample: Path, two_nodes: None, tmp_path: Path):
    images = tmp_path / "images"
    shutil.copytree(sample, images)
    for path in sorted((images / "seg_train/seg_train/forest").iterdir())[2:]:
        path.unlink()
    manifest = list_images.fn(str(images), str(tmp_path / "store"), 32, 0.1)
    uneven = commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 0.1)
    losses = set()
    for balance in ("none", "loss", "sample"):
        run = Run(balance, str(tmp_path))
        train_model.fn("cnn", uneven, RECIPE.model_copy(update={"balance": balance}), run)
        losses |= {row["val_loss"] for row in read_history(storage.history_url(run.kind_url("cnn")))}
    assert len(losses) == 3


@pytest.mark.slow
def test_two_models_train_side_by_side_where_there_is_room(dataset: Dataset, two_nodes: None, tmp_path: Path):
    train = ray.remote(num_cpus=0)(train_beside_another)
    trained = ray.get([train.remote(dataset, Run(name, str(tmp_path))) for name in ("first", "second")])
    assert [model.epochs for model in trained] == [1, 1]


@pytest.mark.parametrize(
    ("nodes", "workers", "share"),
    [([8], 1, 8), ([4, 4, 4], 2, 4), ([8, 2], 2, 4), ([2, 2], 3, 1), ([1, 1], 3, 0), ([], 1, 0)],
)
def test_no_worker_is_promised_more_than_a_node_has(nodes: list[int], workers: int, share: int):
    assert largest_share(nodes, workers) == share
