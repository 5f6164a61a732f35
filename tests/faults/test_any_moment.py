"""Commands that are killed or told to end, at any moment: run again, they come to the same."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from tasks.storage import Run
from tests.faults import test_killed_training as training
from tests.faults.processes import ENDED_SECONDS, darkroom, descendants, finish, runs, until
from tests.faults.test_killed_classify import rows

pytestmark = pytest.mark.slow
CLASSIFICATIONS_KILLED, TRAININGS_KILLED, SEED = 7, 3, 17
MORE_SECONDS = 20.0  # that a retraining takes, beside a classification


@dataclass(frozen=True)
class Undisturbed:
    """Rows of a classification, and after how many seconds it began to write and ended."""

    rows: pa.Table
    begun: float
    ended: float


@pytest.fixture(scope="module")
def undisturbed(classification: list[str], tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    root, started = tmp_path_factory.mktemp("undisturbed"), time.monotonic()
    output = root / "out"
    process = darkroom([*classification, "--output", str(output)], root / "prefect", api=None)
    until(output.exists, process)
    begun = time.monotonic() - started
    finish(process)
    return Undisturbed(rows(output), begun, time.monotonic() - started)


def moments(count: int, earliest: float, latest: float) -> list[float]:
    """Seconds in random order, one drawn from each of `count` equal stretches of time: none stays untried."""
    draw, length = random.Random(SEED), (latest - earliest) / count
    return draw.sample([earliest + length * (number + draw.random()) for number in range(count)], count)


def kill_all(process: subprocess.Popen) -> None:
    """As a machine that loses its power: the command, its Prefect server, all of its Ray."""
    for victim in [*descendants(process), process]:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    process.communicate()


def disturb(
    seconds: Iterable[float],
    command: Callable[[Path], Sequence[str]],
    root: Path,
    is_right: Callable[[Path], bool],
) -> None:
    """Run a command again and again, killing all of it after so many seconds; at last let it end.

    command: given the place it works in, which is a new one after a command that was faster. is_right: the
    same for what lies there then.
    """
    number = 0
    for moment in seconds:
        process = darkroom(command(root / str(number)), root / "prefect", api=None)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            kill_all(process)
        else:
            assert process.returncode == 0, process.stderr.read().decode()
            assert is_right(root / str(number))
            number += 1
    finish(darkroom(command(root / str(number)), root / "prefect", api=None))
    assert is_right(root / str(number))


def test_a_classification_killed_at_random_moments_gives_the_rows_of_an_undisturbed_one(
    classification: list[str], undisturbed: Undisturbed, tmp_path: Path
):
    disturb(
        moments(CLASSIFICATIONS_KILLED, 0.8 * undisturbed.begun, undisturbed.ended),
        lambda output: [*classification, "--output", str(output)],
        tmp_path,
        lambda output: rows(output).equals(undisturbed.rows),
    )


def test_a_retraining_killed_at_random_moments_ends_in_the_weights_of_an_undisturbed_one(
    sample: Path, retrained: Run, undisturbed: Undisturbed, tmp_path: Path
):
    def command(store: Path) -> list[str]:
        begun = [path.name for path in store.glob("runs/*")]
        return training.command(sample, store, *(["--resume", begun[0]] if begun else []))

    def is_right(store: Path) -> bool:
        resumed = Run(training.killed_run(store), str(store))
        return all(map(np.array_equal, training.weights(resumed), training.weights(retrained)))

    latest = undisturbed.ended + MORE_SECONDS
    disturb(moments(TRAININGS_KILLED, 0.8 * undisturbed.begun, latest), command, tmp_path, is_right)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])  # SIGHUP is to us what SIGINT is
def test_a_classification_that_a_signal_ends_leaves_nothing_that_runs_and_goes_on_when_run_again(
    number: signal.Signals,
    classification: list[str],
    undisturbed: Undisturbed,
    tmp_path: Path,
):
    output = tmp_path / "out"
    command = [*classification, "--output", str(output)]
    process = darkroom(command, tmp_path / "prefect", api=None)
    until(lambda: list(output.glob("part-*.parquet")), process)
    started = descendants(process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=ENDED_SECONDS)
    assert process.returncode
    assert "Traceback" not in errors.decode()
    until(lambda: not any(map(runs, started)), seconds=ENDED_SECONDS)
    finish(darkroom(command, tmp_path / "prefect", api=None))
    assert rows(output).equals(undisturbed.rows)
