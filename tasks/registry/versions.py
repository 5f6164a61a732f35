"""Model versions: registered models with all they need to be promoted and to classify; written once."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from typing import Any

from tasks import storage
from tasks.ahead import map_requests
from tasks.dataset import Dataset
from tasks.errors import BrokenFileError, InputError
from tasks.evaluation import Evaluation
from tasks.networks import ModelVersion
from tasks.pages import model_card
from tasks.registry.promotions import champion, read_kept
from tasks.storage import Run
from tasks.task_runs import task
from tasks.training import TrainedModel, read_run

PACKAGES = ("darkroom", "tensorflow", "keras", "numpy", "opencv-python-headless", "ray", "prefect")


@task(task_run_name="register {model.kind}")
def register(model: TrainedModel, evaluation: Evaluation, dataset: Dataset, run: Run) -> ModelVersion:
    """Make a trained model a version by writing its model.json and card: it can then be promoted and used.

    A version is written once: model.json is created only where there is none, and while it is there nothing
    writes the version's files again (`networks.check_unregistered`). A file that was changed all the same is
    refused by its sha256 when it is loaded. Registering a version again does nothing.
    """
    folder_url = run.version_url(model.kind)
    record_url, card_url = storage.version_record_url(folder_url), storage.card_url(folder_url)
    metrics = storage.read_json(storage.metrics_url(run.kind_url(model.kind)))
    if not storage.exists(record_url):
        storage.create_json(record_url, version_record(model, evaluation, dataset, run, metrics))
    if not storage.exists(card_url):
        storage.write_bytes(card_url, model_card(storage.read_record(record_url), metrics).encode())
    return read_version(run.store, model.version)


def version_record(
    model: TrainedModel, evaluation: Evaluation, dataset: Dataset, run: Run, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of model.json: all that must be known of a version when its run and dataset are removed."""
    folder_url = run.version_url(model.kind)
    model_url, onnx_url = storage.model_url(folder_url), storage.onnx_url(folder_url)
    audit_counts = storage.read_record(storage.audit_url(dataset.url))["counts"]
    record = {
        "version": model.version,
        "kind": model.kind,
        "uri": storage.within(run.store, model_url),
        "sha256": storage.sha256(storage.read_bytes(model_url)),
        "onnx_sha256": storage.sha256(storage.read_bytes(onnx_url)) if storage.exists(onnx_url) else None,
        "classes": list(dataset.classes),
        "size_px": dataset.size_px,
        "temperature": evaluation.temperature,
        "parameters": model.parameters,
        "metrics": metrics["test"],
        "per_class": metrics["per_class"],
        "reference": storage.read_json(storage.reference_url(run.kind_url(model.kind))),
        "dataset": dataset.fingerprint,
        "root": dataset.images_url,
        "counts": dataset.counts,
        "corrections": dataset.corrections,
        "leakage": {name: audit_counts[name] for name in ("leaked", "leaking")},
        "training": read_run(run)["training"],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": package_versions(),
        "yardstick": yardstick(metrics),
        "thresholds": thresholds(metrics),
        **likeness(metrics, folder_url),
        "fit": dataset.fit,
        "int8": int8(metrics, folder_url),
    }
    return storage.with_schema_version(record)


def likeness(metrics: Mapping[str, Any], folder_url: str) -> dict[str, Any]:
    """From where on an image is unlike all that the version knows; nothing where that cannot be told."""
    unlike_below = metrics.get("likeness", {}).get("unlike_below")  # an older Darkroom's run does not have it
    if unlike_below is None:
        return {"unlike_below": None, "likeness_sha256": None}
    sha256 = storage.sha256(storage.read_bytes(storage.likeness_url(folder_url)))
    return {"unlike_below": unlike_below, "likeness_sha256": sha256}


def int8(metrics: Mapping[str, Any], folder_url: str) -> dict[str, Any]:
    """How right the version is in integers, and what is needed to classify so; or why it is not offered."""
    record = metrics.get("int8", {"kept": False, "reason": "an older Darkroom trained it"})
    if not record["kept"]:
        return record
    return record | {"sha256": storage.sha256(storage.read_bytes(storage.int8_url(folder_url)))}


def thresholds(metrics: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The confidence of each step in precision, by validation; None in an older Darkroom's run."""
    if "thresholds" not in metrics:
        return None
    return [
        {"class": row["class"], "images": row["images"], "steps": [step[:2] for step in row["steps"]]}
        for row in metrics["thresholds"]
    ]


def yardstick(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """What later tells how right the version is on images without labels; None in an older Darkroom's run."""
    gap = metrics.get("confidence")
    return {"confusion": metrics["confusion"], **gap} if gap else None


def package_versions() -> dict[str, str]:
    """The installed versions of Python and of the packages that make a model."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def list_versions(store: str) -> list[dict[str, Any]]:
    """The model.json of every version of a store, oldest first."""
    names = storage.names(storage.models_url(store))
    records = filter(None, map_requests(partial(read_registered, store), names))
    return sorted(records, key=lambda record: (record["created"], record["version"]))


def read_registered(store: str, name: str) -> dict[str, Any] | None:
    """The model.json of a version; None where what has the name is none, or one not registered."""
    try:
        return read_at(url_of_record(store, name), name)
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_record(store: str, version: str) -> dict[str, Any]:
    """The model.json of a version, or of the present champion if `version` is "champion".

    Raises InputError when the store has no such version, or no champion.
    """
    if version == "champion":
        version = champion(store) or ""
        if not version:
            raise InputError(
                "The store must have a champion: run `darkroom retrain` or `darkroom models promote` first. "
                f"Received a store without one: {store!r}."
            )
    record = read_registered(store, version) if version and "/" not in version else None
    if record is None:
        names = ", ".join(record["version"] for record in list_versions(store)) or "none"
        raise InputError(f"The model must be a version of the store ({names}). Received: {version!r}.")
    return record


def url_of_record(store: str, version: str) -> str:
    return storage.version_record_url(storage.version_url(store, version))


def read_at(url: str, version: str) -> dict[str, Any]:
    """The model.json at a URL; JobError where it is broken or tells of another version."""
    record = read_kept(url)
    if record.get("version") != version or not isinstance(record.get("created"), str):
        raise BrokenFileError(url, f"it tells of version {record.get('version')!r}")
    return record


def read_version(store: str, version: str) -> ModelVersion:
    """A version as classification needs it; names and errors as in `read_record`."""
    record = read_record(store, version)
    return ModelVersion.of(record, storage.version_url(store, record["version"]))
