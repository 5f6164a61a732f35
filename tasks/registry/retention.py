"""What of a store has had its time: old runs and versions, and datasets that nothing left was made from."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import get_args

from tasks import storage
from tasks.parameters import ModelKind
from tasks.registry.promotions import champion_stack, read_promotions
from tasks.registry.versions import list_versions
from tasks.storage import Run

RESUMABLE = timedelta(days=7)  # an unfinished run may be at work, or be resumed
FRESH = timedelta(days=1)  # a run may be decoding a dataset, or may not have begun to train on it


def outdated(store: str, keep_runs: int, keep_versions: int) -> Iterator[str]:
    """Yield the URLs that may be removed.

    What stays: the newest `keep_runs` retrainings and as many explorations, the newest `keep_versions`
    versions, the champion with its run and all that rollbacks lead to, unfinished runs younger than
    RESUMABLE, and every dataset that one of those was made from.
    """
    store = storage.absolute(store)
    runs = [Run(name, store) for name in storage.names(storage.runs_url(store)) if began(name)]
    unfinished = [run for run in runs if resumable(run)]
    champions = champion_stack(read_promotions(store))
    trainings = [run for run in runs if run.begun()]
    explorations = [run for run in runs if not run.begun()]
    newest = [*trainings[-keep_runs:], *explorations[-keep_runs:], *unfinished]
    kept_runs = [
        run for run in runs if run in newest or any(made_by(version, [run]) for version in champions[-1:])
    ]
    yield from (run.folder_url for run in runs if run not in kept_runs)
    versions = list_versions(store)
    names = [record["version"] for record in versions]
    kept_versions = {*names[-keep_versions:], *champions}
    kept_versions |= {name for name in names if made_by(name, unfinished)}
    yield from unneeded_versions(store, set(names), kept_versions, kept_runs)
    used = {record["dataset"] for record in versions if record["version"] in kept_versions}
    used |= {storage.read_json(run.record_url)["dataset"] for run in kept_runs if run.begun()}
    for name in storage.names(storage.datasets_url(store)):
        url = storage.dataset_url(store, name)
        if name not in used and not fresh(url):
            yield url


def unneeded_versions(
    store: str, registered: set[str], kept: set[str], kept_runs: Sequence[Run]
) -> Iterator[str]:
    """Versions that are not kept, and what failed runs left that never became one."""
    for name in storage.names(storage.models_url(store)):
        unregistered = (
            storage.exists(storage.model_url(storage.version_url(store, name))) and name not in registered
        )
        if name in registered - kept or (unregistered and not made_by(name, kept_runs)):
            yield storage.version_url(store, name)


def made_by(version: str, runs: Sequence[Run]) -> bool:
    return any(version == run.version(kind) for run in runs for kind in get_args(ModelKind))


def began(name: str) -> datetime | None:
    """When the run of that name began; None for a folder that is no run."""
    try:
        return datetime.strptime(name[:19], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def resumable(run: Run) -> bool:
    start = began(run.name)
    return not storage.exists(storage.summary_url(run.folder_url)) and bool(
        start and datetime.now(UTC) - start < RESUMABLE
    )


def fresh(dataset_url: str) -> bool:
    """Whether a run may be about to train on a dataset: it was committed, or only listed, not long ago."""
    marks = [
        url
        for url in (storage.success_url(dataset_url), storage.manifest_url(dataset_url))
        if storage.exists(url)
    ]
    return not marks or datetime.now(UTC) - storage.modified(marks[0]) < FRESH
