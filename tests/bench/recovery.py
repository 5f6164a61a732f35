"""How soon a training goes on after its worker was killed, and where the time goes."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from rich.console import Console

from tasks.training.history import read_history
from tests.bench.measure import Measured
from tests.faults.processes import command_of, darkroom, descendants, until

ASKED_SECONDS = 30.0
CHECKPOINT_SECONDS = 3.0  # by then an epoch in the history is in a checkpoint too
FLAGS = "--models cnn --image-size 150 --epochs 50 --patience 50 --precision float32 --batch-size 64"


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    store = scratch / "recovery"
    command = ["retrain", "--images", str(images), "--store", str(store), *FLAGS.split()]
    process = darkroom(command, scratch / "prefect", api=None)

    def epochs() -> list[dict[str, float]]:
        histories = list(store.glob("runs/*/cnn/history.csv"))
        return read_history(str(histories[0])) if histories else []

    def workers() -> list[psutil.Process]:
        return [child for child in descendants(process) if "RayTrainWorker" in command_of(child)]

    def ended(epoch: int) -> float:
        until(lambda: len(epochs()) >= epoch, process)
        return time.monotonic()

    usual = -ended(2) + ended(3)
    time.sleep(CHECKPOINT_SECONDS)
    [worker] = workers()
    killed = time.monotonic()
    worker.kill()
    until(lambda: any(other.pid != worker.pid for other in workers()), process)
    replaced = time.monotonic() - killed
    again = ended(4) - killed - usual
    process.terminate()
    process.communicate()
    Console(stderr=True).print(
        f"worker killed: {replaced:.1f} s until another was started, {again - replaced:.1f} s for its "
        "imports, the checkpoint and the first trace"
    )
    yield Measured("from a killed worker to training again", again, "asked for", ASKED_SECONDS, "s")
