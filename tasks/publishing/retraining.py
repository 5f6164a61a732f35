"""Puts reports, plots and summaries into the store, and the short of it into the Prefect UI."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.audit.findings import read_audit
from tasks.dataset.index import Shards, Split
from tasks.evaluation.evaluate import EVIDENCE, Evaluation, read_arrays, read_history, read_right
from tasks.evaluation.metrics import compare
from tasks.pages import model_figures
from tasks.pages.html import retrain_report
from tasks.pages.markdown import retrain_markdown, way_from_here
from tasks.pages.photos import photo, with_evidence
from tasks.parameters import Training
from tasks.publishing.exploration import dataset_figures, dataset_photos
from tasks.publishing.figures import Figures, small, write_pictures
from tasks.publishing.overview import write_overview
from tasks.registry.changes import data_changes
from tasks.registry.gate import Verdict
from tasks.registry.versions import read_record, versions
from tasks.storage.web import way_to_overview
from tasks.training.run import Run, TrainedModel

AUDITED = ("duplicates", "conflicts", "leaked", "leaking", "wrong_labels")


@task(cache_policy=NO_CACHE, task_run_name="publish report")
def publish_report(
    run: Run,
    shards: Shards,
    audit_url: str,
    training: Training,
    trained: Sequence[TrainedModel],
    judged: Sequence[Evaluation],
    verdict: Verdict,
    started: str,
    stages: Mapping[str, float],
) -> str:
    """Write summary.json, plots and report of a retraining, and its artifacts. Returns the report's URL."""
    audit = read_audit(audit_url, run)
    metrics = {one.kind: storage.read_json(storage.join(one.uri, "metrics.json")) for one in judged}
    summary = retrain_summary(run, shards, training, trained, judged, verdict, stages) | {"started": started}
    summary["dataset"] |= {name: audit["counts"][name] for name in AUDITED}
    figures = dataset_figures(shards, audit) | judged_figures(judged, metrics)
    photos = dataset_photos(shards, audit) | mistake_photos(shards, judged, metrics)
    pictures = write_pictures(run, figures) | photos
    report = retrain_report(summary, audit, metrics, pictures, way_to_overview(run.store))
    storage.write_bytes(run.url("report.html"), report.encode())
    storage.write_json(run.url("summary.json"), summary)
    write_overview(run.store)
    publish_artifacts(run, summary, metrics, figures)
    return run.url("report.html")


def retrain_summary(
    run: Run,
    shards: Shards,
    training: Training,
    trained: Sequence[TrainedModel],
    judged: Sequence[Evaluation],
    verdict: Verdict,
    stages: Mapping[str, float],
) -> dict[str, Any]:
    return {
        "run": run.name,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": sum(stages.values()),
        "dataset": {
            "root": shards.root,
            "fingerprint": shards.fingerprint,
            "classes": list(shards.classes),
            "counts": shards.counts,
            "bad": shards.bad,
            "decoded": shards.decoded,
            "taken_over": shards.reused,
        },
        "models": {model.kind: model_summary(model, one) for model, one in zip(trained, judged, strict=True)},
        "comparison": model_comparison(judged),
        "champion": asdict(verdict),
        "changes": changes_since(verdict.previous, shards, run.store),
        "stages": dict(stages),
        "training": training.model_dump(mode="json"),
        "versions": versions(),
    }


def changes_since(champion: str | None, shards: Shards, store: str) -> dict[str, Any] | None:
    """What changed in the data since the champion before this run was trained, if there was one."""
    return data_changes(shards, read_record(store, champion)["dataset"]) if champion else None


def model_summary(model: TrainedModel, judged: Evaluation) -> dict[str, Any]:
    return {
        "version": model.version,
        "parameters": model.parameters,
        "epochs": model.epochs,
        "best_epoch": model.best_epoch,
        "seconds": model.seconds,
        "images_per_second": model.images_per_second,
        "precision": model.precision,
        "val": {"accuracy": judged.val_accuracy},
        "test": {
            "accuracy": judged.accuracy,
            "low": judged.low,
            "high": judged.high,
            "ece": judged.ece,
        },
    }


def model_comparison(judged: Sequence[Evaluation]) -> dict[str, Any] | None:
    """The run's first two models on the same test images."""
    if len(judged) < 2:
        return None
    first, second = judged[:2]
    return {"models": [first.kind, second.kind]} | compare(read_right(first), read_right(second))


def judged_figures(judged: Sequence[Evaluation], metrics: Mapping[str, Mapping[str, Any]]) -> Figures:
    figures: Figures = {}
    for one in judged:
        drawn = outcome_figures(one, metrics[one.kind])
        figures |= {f"{one.kind}/{name}.png": figure for name, figure in drawn.items()}
    if len(judged) > 1:
        rows = [(one.kind, one.accuracy, one.low, one.high) for one in judged]
        figures["comparison.png"] = model_figures.model_comparison(rows)
    return figures


def outcome_figures(judged: Evaluation, found: Mapping[str, Any]) -> Figures:
    history = read_history(storage.join(judged.uri, "history.csv"))
    kept, turned_at = found["learning"]["best_epoch"], found["learning"]["turned_at"]
    before, after = found["reliability"]["before"], found["reliability"]["after"]
    figures = {
        "learning_curves": model_figures.learning_curves(history, kept, turned_at),
        "confusion": model_figures.confusion_matrix(np.array(found["confusion"]), found["classes"]),
        "reliability": model_figures.reliability_diagram(before, after),
    }
    if found["curves"]:
        figures["curves"] = model_figures.class_curves(found["curves"])
    if found["slices"]:
        figures["slices"] = model_figures.slice_dots(found["slices"], judged.accuracy)
    return figures


def mistake_photos(
    shards: Shards, judged: Sequence[Evaluation], metrics: Mapping[str, Mapping[str, Any]]
) -> dict[str, bytes]:
    """Small JPEGs of the most confident mistakes, and of the first ones with the evidence over them."""
    test = Split(shards, "test")
    place = {path: row for row, path in enumerate(test.paths)}
    photos: dict[str, bytes] = {}
    for one in judged:
        wrong = metrics[one.kind]["mistakes"]
        images = test.take(np.array([place[row["path"]] for row in wrong], np.int64))
        photos |= {f"photo:{row['path']}": photo(image) for row, image in zip(wrong, images, strict=True)}
        found = read_arrays(storage.join(one.uri, EVIDENCE))["evidence"] if wrong else ()
        for row, image, (said, true) in zip(wrong, images, found, strict=False):
            photos[f"said:{one.kind}:{row['path']}"] = photo(with_evidence(image, said))
            photos[f"true:{one.kind}:{row['path']}"] = photo(with_evidence(image, true))
    return photos


def publish_artifacts(
    run: Run, summary: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]], figures: Figures
) -> None:
    """A Markdown page with the verdict and plots, and one table of classes a model."""
    page = retrain_markdown(summary, metrics, small(figures), way_from_here(run.url("report.html")))
    create_markdown_artifact(page, key="retrain-summary", description=f"Verdict of {run.name}")
    for kind, found in metrics.items():
        rows = [
            {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}
            for row in found["per_class"]
        ]
        key = f"{kind.replace('_', '-')}-classes"
        create_table_artifact(rows, key=key, description=f"{kind} on the test images, class by class")
