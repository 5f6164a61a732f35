"""A training, killed: it goes on from its last epoch and ends in the weights of an untouched one."""

import signal
from pathlib import Path

import keras
import numpy as np
import pytest

from flows.cli.main import run
from tasks import storage
from tasks.storage import Run
from tasks.training.history import read_history
from tests.conftest import EPOCHS, SMALL
from tests.faults.processes import ENDED_SECONDS, command_of, darkroom, descendants, runs, servers_of, until


def command(images: Path, store: Path, *more: str) -> list[str]:
    """The shared retraining's CNN, as a command."""
    flags = f"""
        --models cnn --weights none --image-size {SMALL.image_size} --batch-size {SMALL.batch_size}
        --precision {SMALL.precision} --epochs {EPOCHS} --patience {EPOCHS} --min-accuracy 0
    """
    return ["retrain", "--images", str(images), "--store", str(store), *flags.split(), *more]


def epochs(store: Path) -> int:
    histories = list(store.glob("runs/*/cnn/history.csv"))
    return len(read_history(str(histories[0]))) if histories else 0


def killed_run(store: Path) -> str:
    [name] = [path.name for path in (store / "runs").iterdir()]
    return name


def losses(run: Run) -> list[tuple[float, float]]:
    return [(row["loss"], row["val_loss"]) for row in read_history(storage.history_url(run.kind_url("cnn")))]


def weights(run: Run) -> list[np.ndarray]:
    return keras.models.load_model(f"{run.version_url('cnn')}/model.keras").get_weights()


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_flow_change_nothing(retrained: Run, sample: Path, tmp_path: Path):
    killed, home = tmp_path / "killed", tmp_path / "prefect"
    process = darkroom(command(sample, killed), home, api=None)
    until(lambda: epochs(killed) >= 2, process)
    [worker] = [child for child in descendants(process) if "RayTrainWorker" in command_of(child)]
    worker.kill()
    before = epochs(killed)
    until(lambda: epochs(killed) > before + 1, process)
    servers = servers_of(process)
    assert len(servers) == 1, "the run and its workers had other than one Prefect server"
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(map(runs, servers)), seconds=ENDED_SECONDS)
    assert epochs(killed) < EPOCHS
    noted = storage.read_json(Run(killed_run(killed), str(killed)).stages_url)
    assert not list(killed.glob("models/*/model.keras"))

    name = killed_run(killed)
    assert run(command(sample, killed, "--resume", name)) == 0
    resumed = Run(name, str(killed))
    summary = storage.read_record(storage.summary_url(resumed.folder_url))
    assert summary["started"] == noted["started"]
    assert summary["stages"]["train"] > noted["seconds"]["train"] > 0
    assert summary["models"]["cnn"]["seconds"] < summary["stages"]["train"]
    assert losses(resumed) == losses(retrained)
    for actual, expected in zip(weights(resumed), weights(retrained), strict=True):
        assert np.array_equal(actual, expected)
