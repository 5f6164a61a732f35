"""A retraining in a real MLflow server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient

from tasks import storage
from tasks.evaluation.records import Evaluation, read_evaluation
from tasks.publishing.mlflow import track
from tasks.storage import Run
from tasks.training.history import read_history
from tasks.training.run import TrainedModel, read_trained
from tests.faults.processes import until
from tests.ports import free_ports


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    places = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/mlflow.db",
        "--artifacts-destination",
        str(tmp_path),
    ]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--port",
        address.rpartition(":")[2],
        "--workers",
        "1",
    ]
    server = subprocess.Popen(
        [*command, *places],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # four processes nobody needs
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: server.poll() is not None or answers(f"{address}/health"))
        assert server.poll() is None, "MLflow did not start"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield MlflowClient()
    finally:
        server.terminate()
        server.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False


def records(run: Run, kind: str) -> tuple[TrainedModel, Evaluation]:
    model = read_trained(run.kind_url(kind))
    return model, read_evaluation(model, run.kind_url(kind))


def test_every_version_is_tracked_once_with_its_epochs_and_files(retrained: Run, tracking: MlflowClient):
    models, evaluations = zip(*(records(retrained, kind) for kind in ("cnn", "mobilenet_v2")), strict=True)
    experiment = tracking.create_experiment("darkroom")
    tracking.create_run(experiment, tags={"darkroom.version": models[0].version})  # of a run that died
    for _ in range(2):
        track.fn(retrained, models, evaluations)
    runs = {run.info.run_name: run for run in tracking.search_runs([experiment])}
    assert set(runs) == {model.version for model in models}
    for kind, model, evaluation in zip(("cnn", "mobilenet_v2"), models, evaluations, strict=True):
        run = runs[model.version]
        assert run.data.metrics["test_accuracy"] == evaluation.accuracy
        assert run.data.params["cnn.augmentation.flip"] == "True"
        epochs = tracking.get_metric_history(run.info.run_id, "val_loss")
        history = read_history(storage.history_url(retrained.kind_url(kind)))
        assert [(one.step, one.value) for one in epochs] == [
            (row["epoch"], row["val_loss"]) for row in history
        ]
        files = {one.path for one in tracking.list_artifacts(run.info.run_id)}
        assert {"confusion.png", "report.html", "model"} <= files
        assert "model/model.keras" in {one.path for one in tracking.list_artifacts(run.info.run_id, "model")}
