"""What of a store has had its time: old runs and versions, and datasets that nothing left was made from."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tasks import storage
from tasks.registry import champion_stack, list_versions, models_url, promotions
from tasks.shards import success_url
from tasks.training import BEGUN, Run

RESUMABLE = timedelta(days=7)  # an unfinished run may be at work, or be resumed
FRESH = timedelta(days=1)  # a dataset may have been decoded for a run that has not begun to train


def outdated(store: str, keep_runs: int, keep_versions: int) -> Iterator[str]:
    """Yield the URLs that may be removed.

    What stays: the newest `keep_runs` runs and `keep_versions` versions, the champion and all that rollbacks
    lead to, unfinished runs younger than RESUMABLE, and every dataset that one of those was made from.
    """
    store = storage.absolute(store)
    versions = list_versions(store)
    kept_versions = {record["version"] for record in versions[-keep_versions:]}
    kept_versions |= set(champion_stack(promotions(store)))
    runs = [Run(name, store) for name in storage.names(storage.join(store, "runs"))]
    kept_runs = [run for run in runs if run in runs[-keep_runs:] or resumable(run)]
    yield from (run.url() for run in runs if run not in kept_runs)
    yield from unneeded_versions(store, {record["version"] for record in versions}, kept_versions, kept_runs)
    used = {record["dataset"] for record in versions if record["version"] in kept_versions}
    used |= {storage.read_json(run.url(BEGUN))["dataset"] for run in kept_runs if run.begun()}
    for name in storage.names(storage.join(store, "datasets")):
        url = storage.join(store, "datasets", name)
        if name not in used and not fresh(url):
            yield url


def unneeded_versions(
    store: str, registered: set[str], kept: set[str], kept_runs: list[Run]
) -> Iterator[str]:
    """Versions that are not kept, and what failed runs left that never became one."""
    for name in storage.names(models_url(store)):
        of_kept_run = any(name.startswith(f"{run.name}-") for run in kept_runs)
        unregistered = storage.exists(models_url(store, name, "model.keras")) and name not in registered
        if name in registered - kept or (unregistered and not of_kept_run):
            yield models_url(store, name)


def resumable(run: Run) -> bool:
    began = datetime.strptime(run.name[:19], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    return not storage.exists(run.url("summary.json")) and datetime.now(UTC) - began < RESUMABLE


def fresh(dataset: str) -> bool:
    success = success_url(dataset)
    if not storage.exists(success):
        return True
    committed = datetime.fromisoformat(storage.read_json(success)["committed"])
    return datetime.now(UTC) - committed < FRESH
