"""What asks Ray for a GPU, or for memory, where the cluster has it: Ray takes our word that there is."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from prefect import flow, task

from flows import retrain
from flows.progress import Stages
from flows.runtime import ray_options, ray_runner
from tasks.parameters import Training


@task
def gpus_granted(*_: object) -> list[int]:
    return ray.get_gpu_ids()


@pytest.mark.slow
@pytest.mark.parametrize(("gpus_per_worker", "granted"), [(None, [0]), (0, [])])
def test_evaluation_and_the_champions_answers_have_the_gpu_of_a_cluster_that_has_one(
    gpus_per_worker: int | None, granted: list[int], prefect_api: None, monkeypatch: pytest.MonkeyPatch
):
    for name in ("evaluate_model", "promote"):
        monkeypatch.setattr(retrain, name, gpus_granted)
    monkeypatch.setattr(retrain, "register", lambda *_: None)

    @flow(task_runner=ray_runner())
    def judge():
        training = Training(gpus_per_worker=gpus_per_worker)
        return retrain.judge([SimpleNamespace(kind="cnn")], None, training, None, None, Stages())

    with ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, **ray_options()):
        _, evaluations, verdict = judge()
    assert evaluations == [granted]
    assert verdict == granted


@task
def meets_another(model: SimpleNamespace, folder: Path, seconds: float) -> bool:
    """Whether another of these is at work in the same seconds."""
    mark, ends = folder / model.kind, time.monotonic() + seconds
    mark.touch()
    try:
        while time.monotonic() < ends:
            if len(list(folder.iterdir())) == 2:
                time.sleep(1)  # until the other has seen it too
                return True
            time.sleep(0.05)
        return False
    finally:
        mark.unlink()


@pytest.mark.slow
@pytest.mark.parametrize(("gigabytes", "side_by_side"), [(3, False), (5, False), (7, True)])
def test_evaluations_wait_for_each_other_where_memory_holds_but_one(
    gigabytes: int, side_by_side: bool, prefect_api: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retrain, "evaluate_model", meets_another)
    monkeypatch.setattr(retrain, "promote", gpus_granted)
    monkeypatch.setattr(retrain, "register", lambda *_: None)

    @flow(task_runner=ray_runner())
    def judge():
        models = [SimpleNamespace(kind=kind) for kind in ("cnn", "mobilenet_v2")]
        return retrain.judge(models, tmp_path, Training(), 60 if side_by_side else 2, None, Stages())

    memory = gigabytes * 10**9
    with ray.init(address="local", num_cpus=2, _memory=memory, include_dashboard=False, **ray_options()):
        _, met, _ = judge()
    assert met == [side_by_side, side_by_side]
