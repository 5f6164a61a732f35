"""Rare classes count for more where classes are uneven; elsewhere nothing changes, to the bit."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks import storage
from tasks.errors import InputError
from tasks.parameters import Balance, Training
from tasks.storage import Run
from tasks.training.balance import class_weights, epoch_order
from tasks.training.batches import shuffled
from tasks.training.loop import FitPlan, Fitting
from tasks.training.run import check_resumed

EVEN, UNEVEN = np.repeat([0, 1, 2], [20, 30, 59]), np.repeat([0, 1, 2], [3, 50, 7])


class Rows:
    """Examples that are the same each epoch."""

    def __init__(self, inputs: np.ndarray, labels: np.ndarray):
        self.inputs, self.labels = inputs, labels

    def gather(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        return self.inputs[indices]


@pytest.mark.parametrize(
    ("labels", "balance"), [(EVEN, "none"), (EVEN, "loss"), (EVEN, "sample"), (UNEVEN, "none")]
)
def test_even_classes_and_no_balance_train_as_ever(labels: np.ndarray, balance: Balance):
    assert class_weights(labels, balance) is None
    assert np.array_equal(epoch_order(labels, balance, 3, 5), shuffled(len(labels), 3, 5))


def test_classes_count_alike_in_the_loss_and_images_one_in_the_mean():
    weights = class_weights(UNEVEN, "loss")
    assert weights[UNEVEN].mean() == pytest.approx(1)
    assert weights * np.bincount(UNEVEN) == pytest.approx([20, 20, 20])
    assert np.array_equal(epoch_order(UNEVEN, "loss", 3, 5), shuffled(60, 3, 5))


def test_a_sample_draws_as_many_of_each_class_and_each_image_as_often_as_others_of_it():
    order = epoch_order(UNEVEN, "sample", 3, 5)
    assert np.bincount(UNEVEN[order]).tolist() == [20, 20, 20]
    times = np.bincount(order, minlength=60)
    assert [set(times[label == UNEVEN]) for label in range(3)] == [{6, 7}, {0, 1}, {2, 3}]
    assert np.array_equal(order, epoch_order(UNEVEN, "sample", 3, 5))
    assert not np.array_equal(order, epoch_order(UNEVEN, "sample", 3, 6))
    assert class_weights(UNEVEN, "sample") is None


def test_a_weight_in_the_loss_trains_as_so_many_copies_of_the_image():
    inputs = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    labels = np.repeat([0, 1], [6, 2]).astype(np.int32)
    copies = np.concatenate([np.arange(8), [6, 7, 6, 7]])
    weighted = trained(Rows(inputs, labels), class_weights(labels, "loss"))
    copied = trained(Rows(inputs[copies], labels[copies]), None)
    plain = trained(Rows(inputs, labels), None)
    np.testing.assert_allclose(weighted, copied, atol=1e-5)
    assert np.abs(weighted - plain).max() > 1e-3


def trained(rows: Rows, weights: np.ndarray | None) -> np.ndarray:
    """Weights of a linear model after some steps on all rows at once."""
    plan = FitPlan("adam", 20, len(rows.labels), 0.05, Training(balance="loss"), 0, 1, class_weights=weights)

    def build() -> keras.Model:
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, kernel_initializer="zeros")])

    fitting = Fitting(build, tf.distribute.get_strategy(), plan, len(rows.labels))
    for epoch in range(20):
        fitting.run_epoch(rows, epoch, training=True)
    return fitting.model.get_weights()[0]


def test_a_run_that_an_older_darkroom_began_balances_nothing_to_its_end(tmp_path: Path):
    run, older = Run("older", str(tmp_path)), Training().model_dump(mode="json")
    older.pop("balance")
    storage.write_record(run.record_url, {"dataset": "9f3c", "training": older})
    check_resumed(run, Training(balance="none"))
    with pytest.raises(InputError, match="other values for balance"):
        check_resumed(run, Training())
