"""What asks Ray for a GPU where the cluster has one. Without one: Ray takes our word that there is."""

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
