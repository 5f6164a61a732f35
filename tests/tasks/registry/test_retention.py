"""What `clean` may remove, and what it never does."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks import storage
from tasks.registry.gate import promote_by_hand
from tasks.registry.retention import outdated
from tasks.storage import Run, at_work, leased

NIGHTS = 6
EXPLORED = 16  # the first dataset that was explored only


def dataset_name(number: int) -> str:
    return f"{number:016x}"


def night(
    store: str, number: int, finished: bool = True, days_ago: int = 100, registered: bool | None = None
) -> str:
    """What the retraining of one night leaves in a store. Returns its run's name."""
    began = datetime.now(UTC) - timedelta(days=days_ago - number)
    run, dataset = f"{began:%Y-%m-%dT%H-%M-%S}-{number:04x}", dataset_name(number)
    mark = storage.join(store, "datasets", dataset, "_SUCCESS" if finished else "manifest.parquet")
    storage.write_bytes(mark, b"")
    os.utime(mark, (began.timestamp(), began.timestamp()))
    storage.write_json(storage.join(store, "runs", run, "run.json"), {"dataset": dataset})
    storage.write_bytes(storage.join(store, "models", f"{run}-cnn", "model.keras"), b"model")
    if finished:
        storage.write_json(storage.join(store, "runs", run, "summary.json"), {})
    if finished if registered is None else registered:
        record = {"version": f"{run}-cnn", "created": began.isoformat(), "dataset": dataset}
        storage.write_json(storage.join(store, "models", f"{run}-cnn", "model.json"), record)
    return run


@pytest.fixture
def runs(store: str) -> list[str]:
    names = [night(store, number) for number in range(NIGHTS)]
    for number in (0, 2):
        promote_by_hand(store, f"{names[number]}-cnn")
    return names


def test_champions_newest_and_what_they_were_made_from_stay(store: str, runs: list[str]):
    outdated_urls = {url.removeprefix(f"{store}/") for url in outdated(store, keep_runs=2, keep_versions=1)}
    assert {url for url in outdated_urls if url.startswith("runs")} == {
        f"runs/{runs[number]}" for number in (0, 1, 3)
    }
    assert {url for url in outdated_urls if url.startswith("models")} == {
        f"models/{runs[number]}-cnn" for number in (1, 3, 4)
    }
    assert {url for url in outdated_urls if url.startswith("datasets")} == {
        f"datasets/{dataset_name(number)}" for number in (1, 3)
    }


def test_nothing_that_may_be_at_work_or_resumed_goes(store: str, runs: list[str]):
    old_run, young_run = night(store, 7, finished=False), night(store, 0, finished=False, days_ago=1)
    killed_late = night(store, 1, finished=False, days_ago=2, registered=True)
    night(store, 8), night(store, 1, days_ago=1)
    storage.write_json(storage.join(store, "runs", "not-a-run", "notes.json"), {})
    outdated_urls = " ".join(outdated(store, keep_runs=1, keep_versions=1))
    assert old_run in outdated_urls
    assert f"models/{old_run}-cnn" in outdated_urls
    assert dataset_name(7) in outdated_urls
    assert young_run not in outdated_urls
    assert killed_late not in outdated_urls
    assert "not-a-run" not in outdated_urls
    assert dataset_name(0) not in outdated_urls


def exploration(store: str, number: int, days_ago: float, finished: bool = True) -> Run:
    """What an exploration leaves in a store, of a dataset committed as many days ago."""
    began = datetime.now(UTC) - timedelta(days=days_ago)
    run = Run(f"{began:%Y-%m-%dT%H-%M-%S}-{number:04x}", store)
    mark = storage.success_url(storage.dataset_url(store, dataset_name(EXPLORED + number)))
    storage.write_bytes(mark, b"")
    os.utime(mark, (began.timestamp(), began.timestamp()))
    if finished:
        summary = {"kind": "exploration", "dataset": {"fingerprint": dataset_name(EXPLORED + number)}}
        storage.write_record(storage.summary_url(run.folder_url), summary)
    return run


def test_finished_explorations_count_and_the_kept_ones_keep_their_datasets(store: str):
    runs = [exploration(store, number, days_ago=5 - number) for number in range(3)]
    outdated_urls = set(outdated(store, keep_runs=2, keep_versions=1))
    assert outdated_urls == {runs[0].folder_url, storage.dataset_url(store, dataset_name(EXPLORED))}


def test_what_a_run_at_work_may_use_stays(store: str, runs: list[str]):
    """However long it is at work: all datasets, until it has said which is its own."""
    exploring = exploration(store, 8, days_ago=40, finished=False)
    retraining = Run(night(store, 9, finished=False, days_ago=200), store)
    with at_work(exploring), at_work(retraining):
        outdated_urls = " ".join(outdated(store, keep_runs=1, keep_versions=1))
        assert "/datasets/" not in outdated_urls
        assert exploring.name not in outdated_urls
    with at_work(retraining):
        outdated_urls = " ".join(outdated(store, keep_runs=1, keep_versions=1))
        assert f"/datasets/{dataset_name(1)}" in outdated_urls
        assert f"/datasets/{dataset_name(9)}" not in outdated_urls
        assert retraining.name not in outdated_urls
    assert retraining.name in " ".join(outdated(store, keep_runs=1, keep_versions=1))


def test_what_somebody_classifies_with_stays(store: str, runs: list[str]):
    version_url = storage.version_url(store, f"{runs[1]}-cnn")
    with leased(version_url, store), leased(version_url, store):
        assert version_url not in set(outdated(store, keep_runs=1, keep_versions=1))
    assert version_url in set(outdated(store, keep_runs=1, keep_versions=1))


def test_the_rest_of_what_a_killed_clean_removed_goes_the_next_time(store: str, runs: list[str]):
    dataset_url = storage.dataset_url(store, dataset_name(1))
    version_url = storage.version_url(store, f"{runs[1]}-cnn")
    storage.remove(storage.success_url(dataset_url))
    storage.write_bytes(storage.index_url(dataset_url), b"")
    storage.remove(version_url)
    storage.write_bytes(storage.card_url(version_url), b"")
    assert {dataset_url, version_url} <= set(outdated(store, keep_runs=1, keep_versions=1))


def test_nothing_that_darkroom_did_not_make_goes(store: str, tmp_path: Path):
    """Whoever may write to the store could else have it lead to any folder of whoever cleans it."""
    thesis = tmp_path / "home" / "thesis" / "chapter.tex"
    storage.write_bytes(str(thesis), b"text")
    Path(store).mkdir()
    Path(storage.datasets_url(store)).symlink_to(tmp_path / "home")
    assert list(outdated(store, keep_runs=1, keep_versions=1)) == []


def test_of_a_link_the_link_alone_goes(store: str, runs: list[str], tmp_path: Path):
    summary = storage.summary_url(str(tmp_path / "home"))
    storage.write_record(summary, {})
    link = Path(storage.dataset_url(store, dataset_name(7)))
    link.symlink_to(tmp_path / "home")
    assert str(link) in set(outdated(store, keep_runs=1, keep_versions=1))
    storage.remove_folder(str(link))
    assert not link.is_symlink()
    assert storage.exists(summary)
