"""Model versions and the champion: immutable versions, an append-only log of promotions."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset import Shards, Split
from tasks.errors import InputError, JobError
from tasks.evaluation import Evaluation, predict, read_right
from tasks.metrics import compare
from tasks.settings import Gate
from tasks.training import Run, TrainedModel

RACES = 5
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


@dataclass(frozen=True)
class Verdict:
    """What became of the best model of a run. `comparison` is with the champion, where there was one."""

    version: str
    model: str
    promoted: bool
    reason: str
    previous: str | None
    comparison: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.version}: {'yes' if self.promoted else 'no'}, {self.reason}"


@task(cache_policy=NO_CACHE, task_run_name="register {model.kind}")
def register(model: TrainedModel, evaluation: Evaluation, shards: Shards) -> ModelVersion:
    """Complete a trained model to a version: from now on it can be promoted and classify."""
    url, onnx = (storage.beside(model.uri, name) for name in ("model.json", "model.onnx"))
    if not storage.exists(url):
        record = {
            "version": model.version,
            "kind": model.kind,
            "uri": model.uri,
            "sha256": storage.sha256(storage.read_bytes(model.uri)),
            "onnx_sha256": storage.sha256(storage.read_bytes(onnx)) if storage.exists(onnx) else None,
            "classes": list(shards.classes),
            "size_px": shards.size_px,
            "temperature": evaluation.temperature,
            "parameters": model.parameters,
            "metrics": storage.read_json(storage.join(evaluation.uri, "metrics.json"))["test"],
            "reference": storage.read_json(storage.join(evaluation.uri, "reference.json")),
            "dataset": shards.fingerprint,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
        }
        storage.write_json(url, record)
    return read_version(model.uri.rsplit("/", 3)[0], model.version)


def versions() -> dict[str, str]:
    """Python's and the packages' versions a model was made with."""
    return {"python": platform.python_version()} | {name: installed(name) for name in PACKAGES}


def models_url(store: str, *parts: str) -> str:
    return storage.join(storage.absolute(store), "models", *parts)


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


def promotions(store: str) -> list[dict[str, Any]]:
    """Every promotion and rollback of a store, in order."""
    folder = models_url(store, "promotions")
    return [storage.read_json(storage.join(folder, name)) for name in storage.names(folder)]


def champion_stack(entries: Sequence[dict[str, Any]]) -> list[str]:
    """Champions still in line, the present one last: a rollback takes the last one off."""
    stack: list[str] = []
    for entry in entries:
        if entry["action"] == "rollback":
            stack.pop()
        else:
            stack.append(entry["version"])
    return stack


def champion(store: str) -> str | None:
    stack = champion_stack(promotions(store))
    return stack[-1] if stack else None


def append_promotion(store: str, after: int, action: str, version: str, reason: str) -> bool:
    """Make `version` champion, unless another promotion came after the `after` ones that were read.

    The compare-and-swap is the exclusive creation of the log's next entry; champion.json repeats the last
    entry for other readers.
    """
    entry = {
        "action": action,
        "version": version,
        "reason": reason,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    url = models_url(store, "promotions", f"{after + 1:08d}.json")
    appended = storage.create_json(url, entry)
    repeat_last(store)
    return appended


def repeat_last(store: str) -> None:
    """Write the last promotion to champion.json, again if another came in meanwhile."""
    url, written = models_url(store, "champion.json"), None
    while (last := promotions(store)[-1]) != written:
        storage.write_json(url, last)
        written = last


def promote_by_hand(store: str, version: str) -> str:
    """Make a version the champion whatever the gate would say. Returns the version."""
    record = read_record(store, version)
    entries = promotions(store)
    if champion_stack(entries)[-1:] == [record["version"]]:
        raise InputError(f"The version must not be champion already. Received: {version!r}.")
    if not append_promotion(store, len(entries), "promote", record["version"], "promoted by hand"):
        raise JobError("Another promotion came in between: look at `darkroom models list` and try again.")
    return record["version"]


def rollback(store: str) -> str:
    """Make the champion before the present one champion again. Returns its version."""
    entries = promotions(store)
    stack = champion_stack(entries)
    if len(stack) < 2:
        raise InputError(
            f"Rollback needs a champion before the present one. Received a store with {len(stack)}."
        )
    if not append_promotion(store, len(entries), "rollback", stack[-2], f"rolled back from {stack[-1]}"):
        raise JobError("Another promotion came in between: look at `darkroom models list` and try again.")
    return stack[-2]


@task(cache_policy=NO_CACHE, task_run_name="promote")
def promote(judged: Sequence[Evaluation], shards: Shards, run: Run, gate: Gate) -> Verdict:
    """Make the run's best model (by validation) champion, if it passes the gate and no race is lost."""
    challenger = max(judged, key=lambda evaluation: evaluation.val_accuracy)
    for _ in range(RACES):
        entries = promotions(run.store)
        verdict = decide(challenger, champion_stack(entries), shards, run.store, gate)
        if not verdict.promoted or append_promotion(
            run.store, len(entries), "promote", challenger.version, verdict.reason
        ):
            return verdict
    raise JobError(f"Other runs promoted their models {RACES} times meanwhile; promote by hand if need be.")


def decide(challenger: Evaluation, stack: Sequence[str], shards: Shards, store: str, gate: Gate) -> Verdict:
    """Hold a challenger against the gate and against the champion on the same test images."""
    previous = stack[-1] if stack else None

    def verdict(promoted: bool, reason: str, comparison: dict[str, Any] | None = None) -> Verdict:
        return Verdict(challenger.version, challenger.kind, promoted, reason, previous, comparison)

    if previous == challenger.version:
        return Verdict(challenger.version, challenger.kind, True, promotions(store)[-1]["reason"], None)
    if challenger.accuracy < gate.min_accuracy:
        return verdict(
            False,
            f"test accuracy {challenger.accuracy:.3f} is below the least allowed, {gate.min_accuracy:.3f}",
        )
    if previous is None:
        return verdict(True, f"first champion of this store, test accuracy {challenger.accuracy:.3f}")
    champion_version = read_version(store, previous)
    if champion_version.classes != shards.classes:
        return verdict(
            False,
            f"the champion {previous} knows other classes ({', '.join(champion_version.classes)}): "
            "they cannot be compared; promote by hand if the change is meant",
        )
    comparison = compare(champion_right(champion_version, shards), read_right(challenger))
    return verdict(*earned(comparison), comparison)


def champion_right(version: ModelVersion, shards: Shards) -> np.ndarray:
    test = Split(shards, "test")
    return predict(version.uri, test).argmax(1) == test.labels


def earned(comparison: dict[str, Any]) -> tuple[bool, str]:
    """Whether the second model of a comparison earned its place, and why.

    It must get more of the same test images right. Asking only that it be not significantly worse would
    let a row of nightly runs walk downhill.
    """
    gained, lost = comparison["only_second"], comparison["only_first"]
    counts = (
        f"on the same {comparison['images']:,} test images it gets {gained} right that the champion gets "
        f"wrong and {lost} wrong that the champion gets right "
        f"(exact McNemar p = {comparison['p_value']:.2g})"
    )
    if gained > lost:
        return True, f"better than the champion: {counts}"
    if gained == lost:
        return False, f"no better than the champion: {counts}"
    return False, f"worse than the champion: {counts}"
