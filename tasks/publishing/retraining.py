"""Puts reports, plots and summaries into the store, and the short of it into the Prefect UI."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.audit import read_audit
from tasks.dataset import Dataset
from tasks.evaluation import Evaluation, compare, read_right
from tasks.pages import retrain_markdown, retrain_report, way_to
from tasks.parameters import Training
from tasks.publishing.figures import (
    Figures,
    dataset_figures,
    dataset_photos,
    judged_figures,
    mistake_photos,
    small,
    write_pictures,
)
from tasks.publishing.overview import write_overview
from tasks.registry import Verdict, data_changes, package_versions, read_record
from tasks.storage import Run, way_to_overview
from tasks.training import TrainedModel

AUDITED = ("duplicates", "conflicts", "leaked", "leaking", "wrong_labels")


@task(cache_policy=NO_CACHE, task_run_name="publish report")
def publish_report(
    run: Run,
    dataset: Dataset,
    training: Training,
    trained: Sequence[TrainedModel],
    judged: Sequence[Evaluation],
    verdict: Verdict,
    started: str,
    stages: Mapping[str, float],
) -> str:
    """Write summary.json, plots and report of a retraining, and its artifacts. Returns the report's URL."""
    audit = read_audit(dataset, run)
    metrics = {one.kind: storage.read_json(storage.metrics_url(run.kind_url(one.kind))) for one in judged}
    summary = retrain_summary(run, dataset, training, trained, judged, verdict, stages) | {"started": started}
    summary["dataset"] |= {name: audit["counts"][name] for name in AUDITED}
    figures = dataset_figures(dataset, audit) | judged_figures(run, judged, metrics)
    photos = dataset_photos(dataset, audit) | mistake_photos(run, dataset, judged, metrics)
    pictures = write_pictures(run, figures) | photos
    report = retrain_report(summary, audit, metrics, pictures, way_to_overview(run.store))
    storage.write_bytes(storage.report_url(run.folder_url), report.encode())
    storage.write_record(storage.summary_url(run.folder_url), summary)
    write_overview(run.store)
    publish_artifacts(run, summary, metrics, figures)
    return storage.report_url(run.folder_url)


def retrain_summary(
    run: Run,
    dataset: Dataset,
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
            "root": dataset.images_url,
            "fingerprint": dataset.fingerprint,
            "classes": list(dataset.classes),
            "counts": dataset.counts,
            "bad": dataset.bad,
            "decoded": dataset.decoded,
            "taken_over": dataset.reused,
        },
        "models": {model.kind: model_summary(model, one) for model, one in zip(trained, judged, strict=True)},
        "comparison": model_comparison(run, judged),
        "champion": asdict(verdict),
        "changes": changes_since(verdict.previous, dataset, run.store),
        "stages": dict(stages),
        "training": training.model_dump(mode="json"),
        "versions": package_versions(),
    }


def changes_since(champion: str | None, dataset: Dataset, store: str) -> dict[str, Any] | None:
    """What changed in the data since the champion before this run was trained, if there was one."""
    return data_changes(dataset, read_record(store, champion)["dataset"]) if champion else None


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


def model_comparison(run: Run, judged: Sequence[Evaluation]) -> dict[str, Any] | None:
    """The run's first two models on the same test images."""
    if len(judged) < 2:
        return None
    first, second = judged[:2]
    first_right, second_right = (read_right(run.kind_url(model.kind)) for model in (first, second))
    return {"models": [first.kind, second.kind]} | compare(first_right, second_right)


def publish_artifacts(
    run: Run, summary: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]], figures: Figures
) -> None:
    """A Markdown page with the verdict and plots, and one table of classes a model."""
    page = retrain_markdown(
        summary,
        metrics,
        small(figures),
        way_to(storage.report_url(run.folder_url), storage.address_of(storage.report_url(run.folder_url))),
    )
    create_markdown_artifact(page, key="retrain-summary", description=f"Verdict of {run.name}")
    for kind, found in metrics.items():
        rows = [
            {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}
            for row in found["per_class"]
        ]
        key = f"{kind.replace('_', '-')}-classes"
        create_table_artifact(rows, key=key, description=f"{kind} on the test images, class by class")
