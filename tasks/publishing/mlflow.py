"""Copies the results of a retraining into MLflow, where MLFLOW_TRACKING_URI names a server."""

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import storage
from tasks.errors import InputError
from tasks.evaluation import Evaluation
from tasks.pages import METRICS, is_number
from tasks.storage import Run
from tasks.task_runs import task
from tasks.training import TrainedModel, read_history, read_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERVER = "MLFLOW_TRACKING_URI"
EXPERIMENT = "darkroom"  # unless MLFLOW_EXPERIMENT_NAME names another
VERSION = "darkroom.version"
MAX_METRICS = 1_000  # that MLflow takes in one request

log = logging.getLogger("darkroom")


def check_tracking() -> None:
    """Raise InputError when a tracking server is named but MLflow is not installed."""
    if (server := os.environ.get(SERVER)) and not find_spec("mlflow"):
        raise InputError(
            f"{SERVER} needs MLflow on the machine of the flow: `make setup` or `pip install mlflow-skinny`. "
            f"Received: {without_logins(server)!r}."
        )


@task(task_run_name="track in MLflow")
def track(run: Run, models: Sequence[TrainedModel], evaluations: Sequence[Evaluation]) -> None:
    """Log each model's parameters, metrics of every epoch and of the test, plots and files; once a version.

    The retraining is done by now: a tracking server that does not answer is a warning.
    """
    if not os.environ.get(SERVER):
        return
    from mlflow import MlflowClient  # an extra

    client, name = MlflowClient(), os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    try:
        experiment = client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
        for model, evaluation in zip(models, evaluations, strict=True):
            if not is_tracked(client, experiment_id, model.version):
                track_model(client, experiment_id, run, model, evaluation)
    except Exception as error:  # MLflow's own, of its driver, or of our storage
        log.warning(
            "Not tracked in MLflow at %s: %s", without_logins(client.tracking_uri), without_logins(error)
        )
    else:
        log.info("Tracked in MLflow at %s, experiment %s", without_logins(client.tracking_uri), name)


def without_logins(text: object) -> str:
    """A text without the users and passwords that stand in addresses: lines of the log go to Prefect too."""
    return re.sub(r"(?<=://)[^/\s@]*@", "", str(text))


def is_tracked(client: "MlflowClient", experiment_id: str, version: str) -> bool:
    """Whether a version has been logged to its end. MLflow runs that did not get there are removed."""
    for mlflow_run in client.search_runs([experiment_id], f"tags.`{VERSION}` = '{version}'"):
        if mlflow_run.info.status == "FINISHED":
            return True
        client.delete_run(mlflow_run.info.run_id)
    return False


def track_model(
    client: "MlflowClient", experiment_id: str, run: Run, model: TrainedModel, evaluation: Evaluation
) -> None:
    """Log one model as an MLflow run named after its version."""
    from mlflow.entities import Param

    record = read_run(run)
    tags = {VERSION: model.version, "darkroom.run": run.name, "darkroom.dataset": record["dataset"]}
    run_id = client.create_run(experiment_id, run_name=model.version, tags=tags).info.run_id
    parameters = {"model": model.kind, "parameters": model.parameters, "trained_in": model.precision}
    parameters |= dict(flat(record["training"]))
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in parameters.items()])
    log_metrics(client, run_id, run, model, evaluation)
    log_files(client, run_id, run, model.kind)
    client.set_terminated(run_id)


def log_metrics(
    client: "MlflowClient", run_id: str, run: Run, model: TrainedModel, evaluation: Evaluation
) -> None:
    """Log the metrics of validation and test, and those of every epoch with the epoch as their step."""
    from mlflow.entities import Metric

    folder_url = run.kind_url(model.kind)
    final = {
        "final_val_accuracy": evaluation.val_accuracy,
        **named_metrics(storage.read_json(storage.metrics_url(folder_url))["test"]),
        "seconds_in_all": model.seconds,
    }
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in final.items()]
    for row in read_history(storage.history_url(folder_url)):
        step = int(row.pop("epoch"))
        metrics += [Metric(name, value, now, step) for name, value in row.items()]
    for start in range(0, len(metrics), MAX_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + MAX_METRICS])


def named_metrics(test: Mapping[str, Any]) -> dict[str, float]:
    """All of METRICS as `test_<key>`, the ends of an interval as `test_<key>_low` and `test_<key>_high`.

    test: the part of that name in metrics.json. Metrics that are undefined for its images are left out.
    """
    values: dict[str, Any] = {}
    for metric in METRICS:
        values[f"test_{metric.key}"] = test[metric.key]
        for end, key in zip(("low", "high"), metric.interval or (), strict=False):
            values[f"test_{metric.key}_{end}"] = test[key]
    return {name: value for name, value in values.items() if is_number(value)}


def log_files(client: "MlflowClient", run_id: str, run: Run, kind: str) -> None:
    """Log the plots and records of a model, the files of its version, and the report."""
    folder_url, version_url = run.kind_url(kind), run.version_url(kind)
    plots_and_records = [
        name for name in storage.names(folder_url) if name.endswith((".png", ".json", ".csv"))
    ]
    with storage.temporary_folder() as folder:
        for name in plots_and_records:
            fetch(storage.join(folder_url, name), folder / name)
        for name in storage.VERSION_FILES:
            if storage.exists(url := storage.join(version_url, name)):
                fetch(url, folder / "model" / name)
        fetch(storage.report_url(run.folder_url), folder / "report.html")
        client.log_artifacts(run_id, str(folder))


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
