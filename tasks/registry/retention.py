"""What may be removed from a store: old runs and versions, and datasets that nothing kept was made from."""

import logging
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import get_args

from tasks import storage
from tasks.ahead import map_requests
from tasks.parameters import ModelKind
from tasks.registry.promotions import champion_stack, read_promotions
from tasks.registry.versions import list_versions
from tasks.storage import Run

RESUMABLE_AGE = timedelta(days=7)  # an unfinished run may be at work, or be resumed
FRESH_AGE = timedelta(days=1)  # a run that has decoded a dataset may be tried again
DATASET = re.compile(r"[0-9a-f]{16}(-\d+)?")  # what has another name is none, whoever put it there

log = logging.getLogger("darkroom")


def outdated(store: str, keep_runs: int, keep_versions: int) -> Iterator[str]:
    """Yield the URLs that may be removed.

    Kept are the newest `keep_runs` retrainings and as many explorations, the newest `keep_versions` versions,
    the champion with its run, all versions that rollbacks can return to, runs at work, unfinished runs
    younger than RESUMABLE_AGE, and every dataset that any of those was made from. All datasets are kept while
    a run at work has not said which it uses: it may copy from any. Who removes holds the lock of the store,
    so that no other run begins.
    """
    store = storage.absolute(store)
    runs = [Run(name, store) for name in storage.names(storage.runs_url(store)) if start_time(name)]
    working_runs = runs_at_work(runs)
    resumable = map_requests(is_resumable, runs)
    unfinished_runs = [run for run, can in zip(runs, resumable, strict=True) if can or run in working_runs]
    champions = champion_stack(read_promotions(store))
    kept_runs = runs_to_keep(runs, unfinished_runs, champions, keep_runs)
    yield from (run.folder_url for run in runs if run not in kept_runs)
    records = list_versions(store)
    names = [record["version"] for record in records]
    kept_versions = {*names[-keep_versions:], *champions}
    kept_versions |= {name for name in names if is_made_by(name, unfinished_runs)}
    yield from unneeded_versions(store, set(names), kept_versions, kept_runs)
    datasets_in_use = {record["dataset"] for record in records if record["version"] in kept_versions}
    datasets = {run: dataset_of(run) for run in kept_runs}
    if undecided_runs := [run.name for run in working_runs if datasets[run] is None]:
        log.info("All datasets stay while runs look through images: %s", ", ".join(undecided_runs))
        return
    datasets_in_use |= set(datasets.values())
    for name in storage.names(storage.datasets_url(store)):
        dataset_url = storage.dataset_url(store, name)
        if DATASET.fullmatch(name) and name not in datasets_in_use and not is_fresh(dataset_url):
            yield dataset_url


def runs_to_keep(
    runs: Sequence[Run], unfinished_runs: Sequence[Run], champions: Sequence[str], keep_runs: int
) -> list[Run]:
    """The newest runs of each kind, the unfinished ones, and that of the present champion, the last."""
    is_retraining = dict(zip(runs, map_requests(Run.has_begun, runs), strict=True))
    retrainings = [run for run in runs if is_retraining[run]]
    explorations = [run for run in runs if not is_retraining[run]]
    newest_runs = [*retrainings[-keep_runs:], *explorations[-keep_runs:], *unfinished_runs]
    return [
        run
        for run in runs
        if run in newest_runs or any(is_made_by(version, [run]) for version in champions[-1:])
    ]


def unneeded_versions(
    store: str, registered: set[str], kept_versions: set[str], kept_runs: Sequence[Run]
) -> Iterator[str]:
    """Yield the URLs of versions not to be kept, and of models that failed runs left unregistered.

    What somebody classifies with stays.
    """
    for name in storage.names(storage.models_url(store)):
        version_url = storage.version_url(store, name)
        is_unregistered = start_time(name) is not None and name not in registered
        is_unneeded = name in registered - kept_versions or (
            is_unregistered and not is_made_by(name, kept_runs)
        )
        if is_unneeded and not storage.is_leased(version_url):
            yield version_url


def is_made_by(version: str, runs: Sequence[Run]) -> bool:
    """Whether one of the runs made the version."""
    return any(version == run.version(kind) for run in runs for kind in get_args(ModelKind))


def start_time(name: str) -> datetime | None:
    """When the run of that name began; None for a folder that is no run."""
    try:
        return datetime.strptime(name[:19], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def runs_at_work(runs: Sequence[Run]) -> list[Run]:
    """The runs that a living process works on. (A lock of another machine is watched for half a minute.)"""
    holders = map_requests(lambda run: storage.holder_of(run.folder_url), runs)
    return [run for run, holder in zip(runs, holders, strict=True) if holder]


def dataset_of(run: Run) -> str | None:
    """The dataset that a run was made from; None where it has not said so yet, or died before."""
    url = storage.summary_url(run.folder_url)
    return storage.unless_broken(
        lambda: storage.read_record(run.record_url)["dataset"], run.record_url
    ) or storage.unless_broken(lambda: storage.read_record(url)["dataset"]["fingerprint"], url)


def is_resumable(run: Run) -> bool:
    start = start_time(run.name)
    return not storage.exists(storage.summary_url(run.folder_url)) and bool(
        start and datetime.now(UTC) - start < RESUMABLE_AGE
    )


def is_fresh(dataset_url: str) -> bool:
    """Whether the dataset was committed, or else listed, within FRESH_AGE; a rest of one was not."""
    urls = (storage.success_url(dataset_url), storage.manifest_url(dataset_url))
    present_urls = [url for url in urls if storage.exists(url)]
    age = datetime.now(UTC) - storage.modification_time(present_urls[0]) if present_urls else FRESH_AGE
    return age < FRESH_AGE
