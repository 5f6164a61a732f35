"""The state of a training, and its checkpoint, from which a new worker goes on. Imported by workers only."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import ray.train

from tasks import storage
from tasks.training.loop import FitState


@dataclass
class Progress:
    """The state of a training: all that a restarted worker needs to go on.

    earlier: the history of the phases before; best: the best weights of those, with their epoch and
    validation loss. seconds: how long it took up to its last checkpoint, in all of its attempts.
    """

    phase: int = 0
    precision: str | None = None
    earlier: list[dict[str, float]] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)
    best_epoch_before: int = 0
    best_loss: float = math.inf
    state: FitState = field(default_factory=FitState)
    seconds: float = 0.0

    @property
    def history(self) -> list[dict[str, float]]:
        """All epochs, numbered through, each with its phase, from 1."""
        before, phase = len(self.earlier), self.phase + 1
        return self.earlier + [
            row | {"epoch": row["epoch"] + before, "phase": phase} for row in self.state.history
        ]

    @property
    def improved(self) -> bool:
        """Whether this phase's best is no worse than that of the phases before."""
        return bool(self.state.history) and self.state.best_loss <= self.best_loss

    @property
    def best_epoch(self) -> int:
        return len(self.earlier) + self.state.best_epoch if self.improved else self.best_epoch_before

    def best_weights(self) -> list[np.ndarray]:
        return self.state.best if self.improved else self.best

    def next_phase(self) -> Self:
        return type(self)(
            phase=self.phase + 1,
            earlier=self.history,
            best=self.best_weights(),
            best_epoch_before=self.best_epoch,
            best_loss=min(self.best_loss, self.state.best_loss),
            seconds=self.seconds,
        )


def restored() -> Progress:
    """The state in this training's last checkpoint; a new one where there is none."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return Progress()
    with checkpoint.as_directory() as folder:
        return read_progress(Path(folder))


def read_progress(folder: Path) -> Progress:
    record = storage.read_json(str(folder / "progress.json"))
    arrays = storage.read_arrays(str(folder / "progress.npz"))
    lists = {name: [arrays[f"{name}-{i}"] for i in range(count)] for name, count in record["arrays"].items()}
    return Progress(
        phase=record["phase"],
        precision=record["precision"],
        earlier=record["earlier"],
        best=lists["best"],
        best_epoch_before=record["best_epoch_before"],
        best_loss=record["best_loss"],
        state=FitState(record["history"], lists["variables"], lists["optimizer"], lists["phase_best"]),
        seconds=record.get("seconds") or sum(row["seconds"] for row in record["earlier"] + record["history"]),
    )


def write_progress(folder: Path, progress: Progress) -> None:
    state = progress.state
    lists = {
        "best": progress.best,
        "variables": state.variables,
        "optimizer": state.optimizer,
        "phase_best": state.best,
    }
    arrays = {f"{name}-{i}": value for name, values in lists.items() for i, value in enumerate(values)}
    np.savez(folder / "progress.npz", allow_pickle=False, **arrays)
    record = {
        "phase": progress.phase,
        "seconds": progress.seconds,
        "precision": progress.precision,
        "earlier": progress.earlier,
        "best_epoch_before": progress.best_epoch_before,
        "best_loss": progress.best_loss,
        "history": state.history,
        "arrays": {name: len(values) for name, values in lists.items()},
    }
    (folder / "progress.json").write_text(json.dumps(record))
