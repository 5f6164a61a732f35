"""Drift is told once for each model and kind of drift, however many nights it lasts."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prefect.events.clients import AssertingEventsClient
from prefect.events.worker import EventsWorker

from tasks import events, storage
from tasks.classification.job import Job
from tasks.classification.plan import Plan
from tasks.classification.summary import tell_drift
from tasks.networks import ModelVersion
from tasks.parameters import Classification


@pytest.fixture
def words_emitted(prefect_api: None) -> Iterator[Callable[[], list[str]]]:
    """A function that returns what the events of drift said so far."""

    def words() -> list[str]:
        EventsWorker.drain_all(timeout=10)
        emitted = [event for client in AssertingEventsClient.all for event in client.events]
        return [event.payload["words"] for event in emitted if event.event == events.DRIFT]

    AssertingEventsClient.reset()
    EventsWorker.set_client_override(AssertingEventsClient)
    yield words
    EventsWorker.set_client_override(None)


def test_a_drift_that_lasts_is_told_once_and_another_kind_or_model_anew(
    tmp_path: Path, words_emitted: Callable[[], list[str]]
):
    model = ModelVersion("v1", "cnn", "", "sha", ("a", "b"), 32, 1.0)
    job = Job("/inbox", str(tmp_path), model, Classification(), Plan("", "", 1, 9, 1, ""))

    def night(job: Job, *drifted: str) -> list[str]:
        """The kinds told of by the end of a night whose nine new files have drifted so."""
        records = [{"feature": name, "drifted": name in drifted} for name in ("labels", "brightness")]
        told = tell_drift(job, {"images": 9, "drift": records})
        summary = {"model": job.model.version, "root": job.images_url, "drift_told": told}
        storage.write_record(storage.summary_url(job.output), summary)
        return told

    assert night(job) == []
    assert night(job, "brightness") == night(job, "brightness") == night(job) == ["brightness"]
    assert night(job, "labels", "brightness") == ["brightness", "labels"]
    assert night(replace(job, model=replace(model, version="v2")), "labels") == ["labels"]
    assert night(job, "labels") == ["labels"]
    of_files = "of 9 new files in /inbox differ from the images that"
    assert words_emitted() == [
        f"brightness {of_files} v1 was judged on.",
        f"labels {of_files} v1 was judged on.",
        f"labels {of_files} v2 was judged on.",
        f"labels {of_files} v1 was judged on.",
    ]
