"""A training, killed: it goes on from its last epoch and ends in the weights of an untouched one."""

import signal
from pathlib import Path

import keras
import numpy as np

from tasks.evaluation import read_history
from tests.faults.processes import SERVER, command_of, darkroom, descendants, ended_within, finish, until

EPOCHS = 8


def command(images: Path, store: Path, *more: str) -> list[str]:
    flags = "--models cnn --weights none --image-size 48 --batch-size 16 --precision float32 --min-accuracy 0"
    long = ["--epochs", str(EPOCHS), "--patience", str(EPOCHS)]
    return ["retrain", "--images", str(images), "--store", str(store), *flags.split(), *long, *more]


def epochs(store: Path) -> int:
    histories = list(store.glob("runs/*/cnn/history.csv"))
    return len(read_history(str(histories[0]))) if histories else 0


def weights(store: Path) -> list[np.ndarray]:
    [model] = store.glob("models/*/model.keras")
    return keras.models.load_model(model).get_weights()


def test_a_killed_worker_and_a_killed_flow_change_nothing(sample: Path, tmp_path: Path, api: str):
    untouched, killed, home = tmp_path / "untouched", tmp_path / "killed", tmp_path / "prefect"
    finish(darkroom(command(sample, untouched), home, api))

    process = darkroom(command(sample, killed), home, api=None)
    until(lambda: epochs(killed) >= 2, process)
    [worker] = [child for child in descendants(process) if "RayTrainWorker" in command_of(child)]
    worker.kill()
    before = epochs(killed)
    until(lambda: epochs(killed) > before + 1, process)
    servers = [child for child in descendants(process) if SERVER in command_of(child)]
    assert servers, "the run had no Prefect server of its own"
    process.send_signal(signal.SIGKILL)
    process.wait()
    ended_within(30, servers)
    assert epochs(killed) < EPOCHS
    assert not list(killed.glob("models/*/model.keras"))

    [run] = [path.name for path in (killed / "runs").iterdir()]
    finish(darkroom(command(sample, killed, "--resume", run), home, api))
    assert epochs(killed) == EPOCHS
    for ours, theirs in zip(weights(killed), weights(untouched), strict=True):
        assert np.array_equal(ours, theirs)
