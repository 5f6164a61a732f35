"""Model versions: what a trained model needs to be promoted and to classify, written once."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset.index import Shards
from tasks.errors import InputError
from tasks.evaluation.evaluate import Evaluation
from tasks.pages.card import model_card
from tasks.registry.promotions import champion, models_url
from tasks.training.run import BEGUN, TrainedModel

PACKAGES = ("darkroom", "tensorflow", "keras", "numpy", "opencv-python-headless", "ray", "prefect")


@dataclass(frozen=True)
class ModelVersion:
    """A registered model, and what classification must know of it."""

    version: str
    kind: str
    uri: str
    sha256: str
    classes: tuple[str, ...]
    size_px: int
    temperature: float
    onnx_sha256: str | None = None


@task(cache_policy=NO_CACHE, task_run_name="register {model.kind}")
def register(model: TrainedModel, evaluation: Evaluation, shards: Shards) -> ModelVersion:
    """Complete a trained model to a version: from now on it can be promoted and classify.

    A version is written once: model.json says that it is there, is created only where none is, and from
    then on nothing writes its files again (`training.check_unregistered`). What changes them all the same
    is noticed by their sha256 when they are loaded. To register a version again does nothing.
    """
    url, card = (storage.beside(model.uri, name) for name in ("model.json", "card.md"))
    metrics = storage.read_json(storage.join(evaluation.uri, "metrics.json"))
    if not storage.exists(url):
        storage.create_json(url, record_of(model, evaluation, shards, metrics))
    if not storage.exists(card):
        storage.write_bytes(card, model_card(storage.read_json(url), metrics).encode())
    return read_version(model.uri.rsplit("/", 3)[0], model.version)


def record_of(
    model: TrainedModel, evaluation: Evaluation, shards: Shards, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """What model.json says; all that must be known of a version when its run and dataset have gone."""
    onnx = storage.beside(model.uri, "model.onnx")
    audited = storage.read_json(storage.join(shards.dataset, "audit.json"))["counts"]
    return {
        "version": model.version,
        "kind": model.kind,
        "uri": model.uri,
        "sha256": storage.sha256(storage.read_bytes(model.uri)),
        "onnx_sha256": storage.sha256(storage.read_bytes(onnx)) if storage.exists(onnx) else None,
        "classes": list(shards.classes),
        "size_px": shards.size_px,
        "temperature": evaluation.temperature,
        "parameters": model.parameters,
        "metrics": metrics["test"],
        "per_class": metrics["per_class"],
        "reference": storage.read_json(storage.join(evaluation.uri, "reference.json")),
        "dataset": shards.fingerprint,
        "root": shards.root,
        "counts": shards.counts,
        "leakage": {name: audited[name] for name in ("leaked", "leaking")},
        "training": storage.read_json(storage.beside(evaluation.uri, BEGUN))["training"],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Python's and the packages' versions a model was made with."""
    return {"python": platform.python_version()} | {name: installed(name) for name in PACKAGES}


def list_versions(store: str) -> list[dict[str, Any]]:
    """The model.json of every version of a store, oldest first."""
    records = [
        storage.read_json(models_url(store, name, "model.json"))
        for name in storage.names(models_url(store))
        if storage.exists(models_url(store, name, "model.json"))
    ]
    return sorted(records, key=lambda record: (record["created"], record["version"]))


def read_record(store: str, version: str) -> dict[str, Any]:
    """A version's model.json; `champion` names the present one. Raises InputError for no such version."""
    if version == "champion":
        version = champion(store) or ""
        if not version:
            raise InputError(
                "The store must have a champion: run `darkroom retrain` or `darkroom models promote` first. "
                f"Received a store without one: {store!r}."
            )
    if not version or "/" in version or not storage.exists(models_url(store, version, "model.json")):
        known = ", ".join(record["version"] for record in list_versions(store)) or "none"
        raise InputError(f"The model must be a version of the store ({known}). Received: {version!r}.")
    return storage.read_json(models_url(store, version, "model.json"))


def read_version(store: str, version: str) -> ModelVersion:
    record = read_record(store, version)
    return ModelVersion(
        version=record["version"],
        kind=record["kind"],
        uri=models_url(store, record["version"], "model.keras"),
        sha256=record["sha256"],
        classes=tuple(record["classes"]),
        size_px=record["size_px"],
        temperature=record["temperature"],
        onnx_sha256=record.get("onnx_sha256"),
    )
