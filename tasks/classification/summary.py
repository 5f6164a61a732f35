"""The results of a bulk classification: summary, report and drift, from one pass over its rows."""

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from prefect.artifacts import create_markdown_artifact

from tasks import events, storage
from tasks.classification.classify import CommittedPartition
from tasks.classification.contents import as_csv, load_photos, question_links, review_way, sample_photos
from tasks.classification.job import Job, part_files
from tasks.classification.plan import part_numbers
from tasks.classification.rows import GOOD, UNLIKE, read_rows
from tasks.classification.tally import Counts, Tally
from tasks.corrections import read_answers
from tasks.dataset import UNREADABLE
from tasks.display import try_to_show
from tasks.errors import JobError
from tasks.evaluation import drift, estimate, measured_accuracies
from tasks.pages import (
    classification_verdict,
    classify_markdown,
    classify_report,
    drift_figures,
    link_to_report,
    model_figures,
    plain,
    style,
)
from tasks.task_runs import RETRIES, task

MAX_PHOTOS = 20

log = logging.getLogger("darkroom")


@task(**RETRIES, task_run_name="commit predictions")
def commit_predictions(job: Job, partitions: Sequence[CommittedPartition], seconds: float) -> dict[str, Any]:
    """Write summary and report, and _SUCCESS last. Returns the summary; of a complete output, the one there.

    Raises JobError unless the output has exactly one row a file.
    """
    success_url = storage.success_url(job.output)
    tell_unsorted(partitions)
    if storage.exists(success_url):
        summary = storage.read_record(storage.summary_url(job.output))
        log.info("Nothing to do: %s images were classified already", f"{summary['images']:,}")
        return summary
    tally, new_counts = Tally(), Counts()
    for number, rows in zip(part_numbers(storage.plan_url(job.output)), read_rows(job), strict=True):
        tally.add(rows)
        if number >= job.plan.first_new:
            new_counts.add(rows)
    if tally.statuses.total() != job.plan.files:
        raise JobError(
            f"There must be one row a file: {job.plan.files:,}. Received {tally.statuses.total():,} in "
            f"{job.output!r}: remove its parts and run again."
        )
    classified = sum(partition.classified for partition in partitions)
    record = storage.read_record(storage.version_record_url(job.model.folder_url))
    summary = summarise(job, record, tally, new_counts, classified, seconds)
    summary["drift_told"] = tell_drift(job, summary["new_files"])
    write_results(job, summary, tally, record.get("reference"))
    sizes = storage.sizes(job.output)
    success = {
        "key": job.key,
        "plan": job.plan.key,
        "unreadable": tally.statuses[UNREADABLE],
        "sizes": {name: sizes[name] for name in part_files(job) if name in sizes},
    }
    storage.write_json(success_url, success)
    return storage.with_schema_version(summary)


def tell_unsorted(partitions: Sequence[CommittedPartition]) -> None:
    """Log how many files could not be put into a class folder, and why the first could not."""
    if unsorted_files := sum(partition.unsorted for partition in partitions):
        why = next(partition.why_unsorted for partition in partitions if partition.unsorted)
        log.warning("%s files were not sorted, such as %s", f"{unsorted_files:,}", why)


def write_results(
    job: Job, summary: dict[str, Any], tally: Tally, reference: Mapping[str, Any] | None
) -> None:
    """Write report and summary into the output, and a shorter page as a Prefect artifact."""
    pictures, report_url = draw_pictures(job, summary, tally, reference), storage.report_url(job.output)
    samples = tally.samples.rows()
    photos = sample_photos(job, samples) | {"predictions.csv": as_csv(tally.doubtful.rows())}
    questions = try_to_show(lambda: question_links(job, tally.least_sure), "links to questions") or {}
    review = review_way(job)
    report = classify_report(
        summary, tally.bad, tally.least_sure, pictures | photos, questions, samples, review
    )
    storage.write_bytes(report_url, report.encode())
    storage.write_record(storage.summary_url(job.output), summary)
    report_link = link_to_report(report_url, storage.address_of(report_url))
    page = classify_markdown(summary, pictures, report_link, review)
    title = plain(f"{summary['verdict']} ({job.images_url})")
    try_to_show(lambda: create_markdown_artifact(page, key="classify-summary", description=title), title)


def summarise(
    job: Job,
    record: Mapping[str, Any],
    tally: Tally,
    new_counts: Counts,
    classified: int,
    seconds: float,
) -> dict[str, Any]:
    """The content of summary.json but for `drift_told`.

    record: the model's model.json. new_counts: of the files that no finished run had. classified: how many
    this run predicted, in `seconds`.
    """
    images, ok, unsure = tally.statuses.total(), tally.statuses["ok"], tally.statuses["unsure"]
    labels, drift_records = label_counts(job, tally), measure_drift(record, tally)
    summary = {
        "images": images,
        "ok": ok,
        "unsure": unsure,
        "bad": images - sum(tally.statuses[status] for status in GOOD),
        "statuses": dict(tally.statuses),
        "classified": classified,
        "images_per_second": classified / seconds if classified else 0.0,
        "seconds": seconds,
        "labels": labels,
        "model": job.model.version,
        "engines": dict(tally.engines),
        "int8": record["int8"] if job.options.engine == "int8" else None,
        "drift": drift_records,
        "root": job.images_url,
        "output": job.output,
        "expected": estimate(
            labels, tally.confidence, tally.variance, record.get("yardstick"), drift_records
        ),
        "measured": try_to_show(lambda: measured_accuracy(job), "the measured accuracy"),
        "new_files": {"images": new_counts.statuses.total(), "drift": measure_drift(record, new_counts)},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "min_confidence": job.options.min_confidence,
        "drift_limits": {"psi": drift.MAJOR_PSI, "ks": drift.MAJOR_KS, "p": drift.SIGNIFICANCE},
        "unlike": tally.statuses[UNLIKE],
        "unlike_below": job.model.unlike_below,
        "min_precision": job.options.min_precision,
        "sure_from": dict(zip(job.model.classes, map(finite, job.sure_from), strict=False)),
    }
    return summary | {"verdict": classification_verdict(summary)}


def finite(value: float) -> float | None:
    """JSON has no infinity: None for it."""
    return value if math.isfinite(value) else None


def measured_accuracy(job: Job) -> dict[str, Any] | None:
    """How right the model was on images drawn at random, if people have answered any of these."""
    answers = read_answers(storage.store_of(job.model.folder_url))
    records = (record for record in measured_accuracies(answers) if record["model"] == job.model.version)
    return next(records, None)


def label_counts(job: Job, tally: Tally) -> dict[str, int]:
    """Images of each label, in the order of the model's classes."""
    return {name: tally.labels[name] for name in job.model.classes}


def measure_drift(record: Mapping[str, Any], counts: Counts) -> list[dict[str, Any]]:
    """The rows compared with the model's test images; empty for a model registered without a reference.

    record: its model.json.
    """
    reference = record.get("reference")
    return drift.compare(reference, drift.snapshot(counts.labels, counts.looks)) if reference else []


def tell_drift(job: Job, new_files: Mapping[str, Any]) -> list[str]:
    """Send a Prefect event where the new files have drifted in a way that was not told of this model yet.

    A kind of drift is told once: it would come back every night, and say nothing new. Returns the features
    that the server was told of so far, which the next run finds in the summary.
    """
    earlier = storage.json_unless_broken(storage.summary_url(job.output)) or {}
    is_same = (earlier.get("model"), earlier.get("root")) == (job.model.version, job.images_url)
    told = earlier.get("drift_told", []) if is_same else []
    drifted_features = [feature for feature in new_files["drift"] if feature["drifted"]]
    new_kinds = [feature["feature"] for feature in drifted_features if feature["feature"] not in told]
    if not new_kinds:
        return told
    log.warning("Drift since %s was trained: %s", job.model.version, ", ".join(new_kinds))
    words = (
        f"{', '.join(new_kinds)} of {new_files['images']:,} new files in {job.images_url} differ from "
        f"the images that {job.model.version} was judged on."
    )
    report_url = storage.report_url(job.output)
    resource = {
        "prefect.resource.id": f"darkroom.model.{job.model.version}",
        "prefect.resource.name": job.model.version,
    }
    payload = {
        "images": job.images_url,
        "output": job.output,
        "drift": drifted_features,
        "words": words,
        "report": storage.address_of(report_url) or report_url,
    }
    sent = try_to_show(lambda: events.send_event(events.DRIFT, resource, payload), "drift to the server")
    return [*told, *(new_kinds if sent else ())]


def draw_pictures(
    job: Job, summary: dict[str, Any], tally: Tally, reference: Mapping[str, Any] | None
) -> dict[str, bytes]:
    """The report's pictures as PNG by file name; without those of labels when no image got one.

    reference: the model's test images in numbers.
    """
    titles = {row["path"]: f"{row['likeness']:.1f}\n{storage.name_of(row['path'])}" for row in tally.unlike}
    unlike = photo_grid(job, "unlike.png", tally.unlike, titles)
    if not tally.labels:
        return unlike
    pictures = unlike | {
        "labels.png": style.png(model_figures.label_bars(label_counts(job, tally))),
        "confidence.png": style.png(model_figures.confidence_histogram(tally.looks["confidence"])),
    }
    drifted_features = [feature for feature in summary["drift"] if feature["drifted"]]
    if reference and drifted_features:
        current = drift.snapshot(tally.labels, tally.looks)
        figure = drift_figures.drift_distributions(drifted_features, reference, current, drift.EDGES)
        pictures["drift.png"] = style.png(figure)
    is_shown = [row for row in tally.least_sure if row["status"] == "unsure" or not summary["unsure"]]
    titles = {
        row["path"]: f"{row['label']} {row['confidence']:.0%}\n{storage.name_of(row['path'])}"
        for row in is_shown
    }
    return pictures | photo_grid(job, "unsure.png", is_shown, titles)


def photo_grid(
    job: Job, name: str, rows: Sequence[dict[str, Any]], titles: Mapping[str, str]
) -> dict[str, bytes]:
    """A PNG of the photographs of the first MAX_PHOTOS rows, with titles by path; nothing for no rows."""
    photos = load_photos(job, rows[:MAX_PHOTOS])
    if not photos:
        return {}
    pixels = np.stack([pixels for _, pixels in photos])
    grid = style.sample_grid(pixels, [titles[row["path"]] for row, _ in photos])
    return {name: style.png(grid, style.PHOTOS_DPI)}
