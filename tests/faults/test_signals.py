"""A retraining that is told to end: it says how it goes on, in one line, and its status names the signal."""

import signal
from pathlib import Path

import pytest

from tests.faults.processes import ENDED_SECONDS, darkroom, until
from tests.faults.test_killed_training import command, epochs, killed_run


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_a_signal_ends_names_itself_to_be_resumed(number: int, sample: Path, tmp_path: Path):
    store = tmp_path / "store"
    process = darkroom(command(sample, store), tmp_path / "prefect", api=None)
    until(lambda: epochs(store) >= 1, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=ENDED_SECONDS)
    said = errors.decode()
    assert process.returncode == 128 + number, said
    [line] = [line for line in said.splitlines() if line.startswith("darkroom: ")]
    assert f"--resume {killed_run(store)}" in line
    for dump in ("Traceback", "***", "Fatal"):
        assert dump not in said
