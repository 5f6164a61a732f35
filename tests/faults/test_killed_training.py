"""A training, killed: it goes on from its last epoch and ends in the weights of an untouched one."""

import signal
from pathlib import Path

import keras
import numpy as np

from flows.retrain import retrain
from tasks.evaluation import read_history
from tasks.training import Run
from tests.conftest import EPOCHS, OPEN, SMALL
from tests.faults.processes import SERVER, command_of, darkroom, descendants, runs, until

CNN = SMALL.model_copy(update={"models": ("cnn",)})


def command(images: Path, store: Path) -> list[str]:
    """CNN, as a command."""
    flags = f"""
        --models cnn --weights none --image-size {CNN.image_size} --batch-size {CNN.batch_size}
        --precision {CNN.precision} --epochs {EPOCHS} --patience {EPOCHS}
    """
    return ["retrain", "--images", str(images), "--store", str(store), *flags.split()]


def epochs(store: Path) -> int:
    histories = list(store.glob("runs/*/cnn/history.csv"))
    return len(read_history(str(histories[0]))) if histories else 0


def weights(run: Run) -> list[np.ndarray]:
    return keras.models.load_model(f"{run.version_url('cnn')}/model.keras").get_weights()


def test_a_killed_worker_and_a_killed_flow_change_nothing(retrained: Run, sample: Path, tmp_path: Path):
    killed = tmp_path / "killed"
    process = darkroom(command(sample, killed), tmp_path / "prefect", api=None)
    until(lambda: epochs(killed) >= 2, process)
    [worker] = [child for child in descendants(process) if "RayTrainWorker" in command_of(child)]
    worker.kill()
    before = epochs(killed)
    until(lambda: epochs(killed) > before + 1, process)
    servers = [child for child in descendants(process) if SERVER in command_of(child)]
    assert servers, "the run had no Prefect server of its own"
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(map(runs, servers)))
    assert epochs(killed) < EPOCHS
    assert not list(killed.glob("models/*/model.keras"))

    [name] = [path.name for path in (killed / "runs").iterdir()]
    resumed = retrain(str(sample), str(killed), CNN, OPEN, resume=name)
    assert epochs(killed) == EPOCHS
    for ours, theirs in zip(weights(resumed), weights(retrained), strict=True):
        assert np.array_equal(ours, theirs)
