"""What runs beside the workers of a training, and how long."""

import re
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
import ray.train
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from flows.runtime import ray_options
from tasks.training.run import run_to_end
from tests.faults.processes import command_of, until

OF_THE_TRAINING = {"TrainController", "DatasetManager", "SynchronizationActor", "RayTrainWorker"}


def actors() -> set[str]:
    """Names of the processes of this machine's Ray that have run something: `ray::TrainController.run`."""
    titles = [command_of(process) for process in psutil.Process().parent().children()]
    names = {re.split(r"[.( ]", title.partition("ray::")[2])[0] for title in titles}
    return names - {"", "IDLE"}


def note_actors(config: dict[str, Any]) -> None:
    Path(config["file"]).write_text("\n".join(actors()))


@ray.remote(num_cpus=0)
def train(folder: Path) -> None:
    run_to_end(
        DataParallelTrainer(
            note_actors,
            train_loop_config={"file": str(folder / "actors")},
            scaling_config=ray.train.ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
            run_config=ray.train.RunConfig(storage_path=str(folder)),
        )
    )
    until(lambda: not actors() & OF_THE_TRAINING)


@pytest.mark.slow
def test_after_a_training_its_controller_ends_and_beside_it_nothing_watches(tmp_path: Path):
    """Each process of Ray takes some 120 MB, a controller more."""
    with ray.init(address="local", num_cpus=2, include_dashboard=False, **ray_options()):
        ray.get(train.remote(tmp_path))
    beside = set((tmp_path / "actors").read_text().split())
    assert "TrainController" in beside and "PreemptionWatcher" not in beside
