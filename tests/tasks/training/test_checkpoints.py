"""What a checkpoint keeps: all that a restarted training decides by."""

from pathlib import Path

import numpy as np

from tasks.parameters import Training
from tasks.training.checkpoints import Progress, read_progress, write_progress
from tasks.training.loop import FitPlan, FitState


def test_a_restarted_training_knows_what_it_knew(tmp_path: Path):
    def row(epoch: int, loss: float) -> dict[str, float]:
        return {"epoch": epoch, "val_loss": loss, "val_accuracy": 1 - loss, "seconds": 1.0}

    weights, moments = [np.arange(3.0), np.ones((2, 2))], [np.zeros(3)]
    state = FitState([row(1, 0.5), row(2, 0.6), row(3, 0.7)], weights, moments, best=[np.full(3, 7.0)])
    before = Progress(1, "bfloat16", [row(1, 0.9), row(2, 0.4)], [np.full(3, 8.0)], 2, 0.4, state)
    write_progress(tmp_path, before)
    after = read_progress(tmp_path)

    assert (after.phase, after.precision, after.history) == (1, "bfloat16", before.history)
    assert [row["epoch"] for row in after.history] == [1, 2, 3, 4, 5]
    for actual, expected in zip(
        after.state.variables + after.state.optimizer, weights + moments, strict=True
    ):
        assert np.array_equal(actual, expected)
    assert np.array_equal(after.best_weights()[0], np.full(3, 8.0))
    assert after.best_epoch == after.next_phase().best_epoch == 2
    after.best_loss = 0.6
    assert np.array_equal(after.best_weights()[0], np.full(3, 7.0))
    assert after.best_epoch == after.next_phase().best_epoch == 3


def test_early_stopping_counts_only_epochs_of_the_second_half_of_the_schedule():
    state = FitState(history=[{"epoch": epoch, "val_loss": 1 / min(epoch, 3)} for epoch in range(1, 8)])
    assert state.best_epoch == 3
    for epochs, patience, stops in ((6, 5, True), (8, 3, True), (8, 4, False), (14, 1, False), (13, 1, True)):
        plan = FitPlan("adam", epochs, 32, 1e-3, Training(patience=patience), 0, 1)
        assert state.finished(plan) is stops, (epochs, patience)
