"""Drift is told once for each model and kind of drift, however many nights it lasts."""

from dataclasses import replace
from pathlib import Path

from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks import events, storage
from tasks.classification.job import Job
from tasks.classification.plan import Plan
from tasks.classification.summary import tell_drift
from tasks.networks import ModelVersion
from tasks.parameters import Classification
from tests.events import payloads_of
from tests.faults.processes import until


def test_a_drift_that_lasts_is_told_once_and_another_kind_or_model_anew(tmp_path: Path, prefect_api: None):
    model, output = ModelVersion("v1", "cnn", "", "sha", ("a", "b"), 32, 1.0), str(tmp_path)
    job = Job("/inbox", output, model, Classification(), Plan("", "", 1, 9, 1, ""))

    def night(job: Job, *drifted: str) -> list[str]:
        """The kinds told of by the end of a night whose nine new files have drifted so."""
        records = [{"feature": name, "drifted": name in drifted} for name in ("labels", "brightness")]
        told = tell_drift(job, {"images": 9, "drift": records})
        summary = {"model": job.model.version, "root": job.images_url, "drift_told": told}
        storage.write_record(storage.summary_url(job.output), summary)
        return told

    def words() -> list[str]:
        payloads = payloads_of(events.DRIFT)
        return [payload["words"] for payload in payloads if payload.get("output") == output]

    assert night(job) == []
    nobody = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(nobody):
        assert night(job, "brightness") == []
    assert night(job, "brightness") == night(job, "brightness") == night(job) == ["brightness"]
    assert night(job, "labels", "brightness") == ["brightness", "labels"]
    assert night(replace(job, model=replace(model, version="v2")), "labels") == ["labels"]
    assert night(job, "labels") == ["labels"]
    of_files = "of 9 new files in /inbox differ from the images that"
    until(lambda: len(words()) >= 4)
    assert words() == [
        f"brightness {of_files} v1 was judged on.",
        f"labels {of_files} v1 was judged on.",
        f"labels {of_files} v2 was judged on.",
        f"labels {of_files} v1 was judged on.",
    ]
