"""What a bulk classification came to: summary, report and drift, in one pass over its rows."""

import heapq
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from tasks import storage
from tasks.classification.classify import PartitionDone, decode_row
from tasks.classification.job import Job
from tasks.classification.rows import USABLE, counts, read_rows
from tasks.dataset import MAX_BYTES, UNREADABLE, read_images
from tasks.errors import JobError
from tasks.evaluation import drift
from tasks.pages import classify_markdown, classify_report, model_figures, style, way_to
from tasks.storage import FileEntry

LISTED = 50
SHOWN = 20
DRIFT_EVENT = "darkroom.drift"

log = logging.getLogger("darkroom")


class Tally:
    """Counts over all rows of a job, and the few that a report shows; memory does not grow with the rows."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.engines: Counter[str] = Counter()
        self.looks = drift.histograms({name: np.empty(0) for name in drift.EDGES})
        self.bad: list[dict[str, Any]] = []
        self.least_sure: list[dict[str, Any]] = []

    def add(self, rows: pa.Table) -> None:
        self.statuses += counts(rows["status"])
        is_usable = pc.is_in(rows["status"], pa.array(USABLE))
        usable = rows.filter(is_usable)
        self.labels += counts(usable["label"])
        self.engines += counts(usable["engine"])
        values = {name: usable[name].to_numpy() for name in drift.EDGES}
        for name, found in drift.histograms(values).items():
            self.looks[name] = self.looks[name] + found
        if room := LISTED - len(self.bad):
            bad = rows.filter(pc.invert(is_usable))
            self.bad += bad.slice(0, room).select(["path", "status", "error"]).to_pylist()
        doubtful = usable.sort_by("confidence").slice(0, LISTED).select(["path", "label", "confidence"])
        self.least_sure = heapq.nsmallest(
            LISTED, self.least_sure + doubtful.to_pylist(), key=lambda row: row["confidence"]
        )


@task(cache_policy=NO_CACHE, task_run_name="commit predictions")
def commit_predictions(job: Job, done: Sequence[PartitionDone], seconds: float) -> dict[str, Any]:
    """Write summary, report and, last, _SUCCESS. Returns the summary, an earlier run's if complete."""
    summary_url, success = storage.summary_url(job.output), storage.success_url(job.output)
    if storage.exists(success):
        summary = storage.read_json(summary_url)
        log.info("Nothing to do: %s images were classified already", f"{summary['images']:,}")
        return summary
    tally = Tally()
    for rows in read_rows(job):
        tally.add(rows)
    if tally.statuses.total() != job.plan.files:
        raise JobError(
            f"There must be one row a file: {job.plan.files:,}. Received {tally.statuses.total():,} in "
            f"{job.output!r}: remove its parts and run again."
        )
    summary = summarise(job, tally, sum(part.classified for part in done), seconds)
    drawn, report = pictures(job, tally), storage.report_url(job.output)
    page = classify_report(summary, tally.bad, tally.least_sure, drawn)
    storage.write_bytes(report, page.encode())
    storage.write_json(summary_url, summary)
    told = classify_markdown(summary, drawn, way_to(report, storage.address_of(report)))
    create_markdown_artifact(told, key="classify-summary", description=f"What was found in {job.root}")
    tell_drift(job, summary["drift"])
    storage.write_json(success, {"key": job.key, "unreadable": tally.statuses[UNREADABLE]})
    return summary


def summarise(job: Job, tally: Tally, classified: int, seconds: float) -> dict[str, Any]:
    """`images_per_second` counts what this run classified; rows kept from an earlier one do not."""
    images, ok, unsure = tally.statuses.total(), tally.statuses["ok"], tally.statuses["unsure"]
    return {
        "images": images,
        "ok": ok,
        "unsure": unsure,
        "bad": images - ok - unsure,
        "statuses": dict(tally.statuses),
        "classified": classified,
        "images_per_second": classified / seconds if classified else 0.0,
        "seconds": seconds,
        "labels": labelled(job, tally),
        "model": job.model.version,
        "engines": dict(tally.engines),
        "drift": measure_drift(job, tally),
        "root": job.root,
        "output": job.output,
    }


def labelled(job: Job, tally: Tally) -> dict[str, int]:
    """Images of each label, in the order of the model's classes."""
    return {name: tally.labels[name] for name in job.model.classes}


def measure_drift(job: Job, tally: Tally) -> list[dict[str, Any]]:
    """The rows against what the model's test images looked like; nothing for a model that kept none."""
    before = storage.read_json(storage.version_record_url(job.model.folder_url)).get("reference")
    return drift.compare(before, drift.reference(tally.labels, tally.looks)) if before else []


def tell_drift(job: Job, found: Iterable[dict[str, Any]]) -> None:
    """Emit a Prefect event when a feature drifted: an automation can make a retraining of it."""
    drifted = [record for record in found if record["drifted"]]
    if not drifted:
        return
    names = ", ".join(record["feature"] for record in drifted)
    log.warning("Drift since %s was trained: %s", job.model.version, names)
    emit_event(
        event=DRIFT_EVENT,
        resource={
            "prefect.resource.id": f"darkroom.model.{job.model.version}",
            "prefect.resource.name": job.model.version,
        },
        payload={"images": job.root, "output": job.output, "drift": drifted},
    )


def pictures(job: Job, tally: Tally) -> dict[str, bytes]:
    if not tally.labels:
        return {}
    drawn = {
        "labels.png": style.png(model_figures.label_bars(labelled(job, tally))),
        "confidence.png": style.png(model_figures.confidence_histogram(tally.looks["confidence"])),
    }
    if shown := photos(job, tally.least_sure[:SHOWN]):
        titles = [
            f"{row['label']} {row['confidence']:.0%}\n{storage.name_of(row['path'])}" for row, _ in shown
        ]
        grid = style.sample_grid(np.stack([pixels for _, pixels in shown]), titles)
        drawn["unsure.png"] = style.png(grid, style.PHOTOS_DPI)
    return drawn


def photos(job: Job, rows: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Rows with their pictures as the model sees them now, but for files that have gone since."""
    files = [FileEntry(row["path"], MAX_BYTES, "") for row in rows]  # as if large: read one by one
    contents = read_images(job.root, files)
    decoded = [
        decode_row(file, content, job.model.size_px) for file, content in zip(files, contents, strict=True)
    ]
    return [(row, pixels) for row, (_, pixels) in zip(rows, decoded, strict=True) if pixels is not None]
