"""Whether a retraining would work on anything that the last finished one of the same images did not have."""

import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

import tasks
from tasks import storage
from tasks.dataset import Manifest
from tasks.parameters import Gate, Training
from tasks.registry.versions import package_versions
from tasks.storage import Run
from tasks.task_runs import task
from tasks.training import read_run

SHOWING = ("pages", "publishing", "classification", "review", "sample")  # rooms that no model depends on

log = logging.getLogger("darkroom")

Inputs = dict[str, str]


def inputs_of(manifest: Manifest, training: Training, gate: Gate, max_bad_share: float) -> Inputs:
    """What a retraining comes to depends on these: its data, the answers about them, parameters and code."""
    weights = training.weights
    is_file = weights not in ("imagenet", "none")
    content = storage.sha256(storage.read_bytes(weights)) if is_file else weights
    values = [training.model_dump(mode="json"), gate.model_dump(mode="json"), max_bad_share, content]
    return {"data": manifest.fingerprint, "parameters": digest(values), "code": code_digest()}


@cache
def code_digest() -> str:
    """Changes with the versions of the packages that make a model, and with each source file that does."""
    folder = Path(tasks.__file__).parent
    sources = sorted(folder.rglob("*.py"))
    files = [path for path in sources if path.relative_to(folder).parts[0] not in SHOWING]
    contents = {str(path.relative_to(folder)): storage.sha256(path.read_bytes()) for path in files}
    return digest([package_versions(), contents])


def digest(value: Any) -> str:
    return storage.sha256(json.dumps(value, sort_keys=True).encode())[:16]


@task(task_run_name="look for news")
def same_as_before(run: Run, manifest: Manifest, inputs: Inputs) -> Run | None:
    """The last finished retraining of the same images if it had the very same inputs; else None.

    It would come to the same models. A refusal counts as finished. So does a verdict that a person has
    overruled since: whoever chose a champion knew the versions there are, and may promote any of them. Not so
    a run that could not judge its champion, or whose versions are gone. None for a run that has begun.
    """
    if run.has_begun() or not (earlier := last_finished(run.store, manifest.images_url)):
        return None
    if news := news_since(earlier, inputs):
        log.info("New since %s: %s", earlier.name, ", ".join(news))
        return None
    return earlier


def news_since(earlier: Run, inputs: Inputs) -> list[str]:
    """Which of the inputs a finished run did not have."""
    earlier_inputs = read_run(earlier).get("inputs") or {}
    return [name for name in inputs if inputs[name] != earlier_inputs.get(name)]


def tell_nothing_new(earlier: Run) -> str:
    """Log that a finished run had all that this one has, and what to do. Returns the fact in words."""
    words = f"Nothing new since {earlier.name}"
    log.info("%s: nothing is trained. `--force` trains all the same.", words)
    return words


def last_finished(store: str, images_url: str) -> Run | None:
    """The newest retraining of a folder of images, if it judged all its models and still has a version."""
    for name in reversed(storage.names(storage.runs_url(store))):
        run = Run(name, store)
        summary = storage.json_unless_broken(storage.summary_url(run.folder_url)) or {}
        if "models" in summary and summary["dataset"]["root"] == images_url and run.has_begun():
            versions = [storage.version_url(store, model["version"]) for model in summary["models"].values()]
            is_decided = summary["champion"].get("is_final", True) and not summary.get("failures")
            has_version = any(storage.exists(storage.version_record_url(url)) for url in versions)
            return run if is_decided and has_version else None
    return None
