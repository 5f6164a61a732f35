"""Copies what a retraining came to into MLflow, where MLFLOW_TRACKING_URI names a server."""

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.errors import InputError
from tasks.evaluation import Evaluation
from tasks.storage import Run
from tasks.training import TrainedModel, read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERVER = "MLFLOW_TRACKING_URI"
EXPERIMENT = "darkroom"  # unless MLFLOW_EXPERIMENT_NAME names another
VERSION = "darkroom.version"
MOST_METRICS = 1_000  # that MLflow takes in one request

log = logging.getLogger("darkroom")


def check_tracking() -> None:
    """Raise InputError when a tracking server is named but MLflow is not installed."""
    if (server := os.environ.get(SERVER)) and not find_spec("mlflow"):
        raise InputError(
            f"{SERVER} needs MLflow on the machine of the flow: `make setup` or `pip install mlflow-skinny`. "
            f"Received: {server!r}."
        )


@task(cache_policy=NO_CACHE, task_run_name="track in MLflow")
def track(run: Run, trained: Sequence[TrainedModel], judged: Sequence[Evaluation]) -> None:
    """Log each model's parameters, metrics of every epoch and of the test, plots and files; once a version.

    The run is done by now: a tracking server that does not answer is a warning.
    """
    if not os.environ.get(SERVER):
        return
    from mlflow import MlflowClient  # an extra
    from mlflow.exceptions import MlflowException

    client, name = MlflowClient(), os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    try:
        found = client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else client.create_experiment(name)
        for model, evaluation in zip(trained, judged, strict=True):
            if not tracked(client, experiment, model.version):
                track_model(client, experiment, run, model, evaluation)
    except MlflowException as error:
        log.warning("Not tracked in MLflow at %s: %s", client.tracking_uri, error)
    else:
        log.info("Tracked in MLflow at %s, experiment %s", client.tracking_uri, name)


def tracked(client: "MlflowClient", experiment: str, version: str) -> bool:
    """Whether a version has been logged to its end; what was begun only is removed."""
    for found in client.search_runs([experiment], f"tags.`{VERSION}` = '{version}'"):
        if found.info.status == "FINISHED":
            return True
        client.delete_run(found.info.run_id)
    return False


def track_model(
    client: "MlflowClient", experiment: str, run: Run, model: TrainedModel, evaluation: Evaluation
) -> None:
    from mlflow.entities import Param

    begun = storage.read_record(run.record_url)
    tags = {VERSION: model.version, "darkroom.run": run.name, "darkroom.dataset": begun["dataset"]}
    made = client.create_run(experiment, run_name=model.version, tags=tags).info.run_id
    parameters = {"model": model.kind, "parameters": model.parameters, "trained_in": model.precision}
    told = parameters | dict(flat(begun["training"]))
    client.log_batch(made, params=[Param(name, str(value)) for name, value in told.items()])
    log_metrics(client, made, run, model, evaluation)
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:
        for name in storage.names(run.kind_url(model.kind)):
            if name.endswith((".png", ".json", ".csv")):
                fetch(storage.join(run.kind_url(model.kind), name), Path(folder, name))
        for name in storage.VERSION_FILES:
            url = storage.join(run.version_url(model.kind), name)
            if storage.exists(url):
                fetch(url, Path(folder, "model", name))
        fetch(storage.report_url(run.folder_url), Path(folder, "report.html"))
        client.log_artifacts(made, folder)
    client.set_terminated(made)


def log_metrics(
    client: "MlflowClient", made: str, run: Run, model: TrainedModel, evaluation: Evaluation
) -> None:
    """Every figure of an epoch with the epoch as its step, then those of validation and test."""
    from mlflow.entities import Metric

    last = {
        "final_val_accuracy": evaluation.val_accuracy,
        "test_accuracy": evaluation.accuracy,
        "test_accuracy_low": evaluation.low,
        "test_accuracy_high": evaluation.high,
        "test_ece": evaluation.ece,
        "seconds_in_all": model.seconds,
    }
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in last.items()]
    for row in read_history(storage.history_url(run.kind_url(model.kind))):
        step = int(row.pop("epoch"))
        metrics += [Metric(name, value, now, step) for name, value in row.items()]
    for start in range(0, len(metrics), MOST_METRICS):
        client.log_batch(made, metrics=metrics[start : start + MOST_METRICS])


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested parameters as `cnn.augmentation.flip` and the like."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def fetch(url: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(storage.read_bytes(url))
