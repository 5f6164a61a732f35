"""The report of a retraining, with its plots and summary.json, and its short form in the Prefect UI."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks import storage
from tasks.audit import read_audit
from tasks.dataset import Dataset
from tasks.display import try_to_show
from tasks.evaluation import Evaluation, compare, read_right
from tasks.pages import link_to_report, plain, retrain_markdown, retrain_report, retraining_verdict
from tasks.parameters import Training
from tasks.publishing.figures import (
    Figures,
    Metrics,
    dataset_figures,
    dataset_photos,
    evaluation_figures,
    mistake_photos,
    question_links,
    small_pictures,
    write_pictures,
    wrong_labels,
)
from tasks.publishing.overview import dataset_summary, write_overview
from tasks.registry import Verdict, data_changes, package_versions, read_record
from tasks.storage import Run, way_to_overview
from tasks.task_runs import RETRIES, task
from tasks.training import TrainedModel

AUDIT_COUNTS = ("duplicates", "conflicts", "leaked", "leaking", "wrong_labels")  # that summary.json repeats

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class Retraining:
    """What a finished retraining worked on and came to.

    models and evaluations: in the same order. started: ISO time. stage_seconds: how long each stage took.
    failures: why models are missing, by kind.
    """

    run: Run
    dataset: Dataset
    training: Training
    models: Sequence[TrainedModel]
    evaluations: Sequence[Evaluation]
    verdict: Verdict
    started: str
    stage_seconds: Mapping[str, float]
    failures: Mapping[str, str]


@task(**RETRIES, task_run_name="publish report")
def publish_report(retraining: Retraining) -> str:
    """Write summary.json, plots and report of a retraining, and its artifacts. Returns the report's URL."""
    run, dataset, evaluations = retraining.run, retraining.dataset, retraining.evaluations
    audit = read_audit(dataset, run)
    metrics = {
        kind: storage.read_json(storage.metrics_url(run.kind_url(kind)))
        for kind in (evaluation.kind for evaluation in evaluations)
    }
    previous = retraining.verdict.previous
    changes = try_to_show(lambda: changes_since(previous, dataset, run.store), "what changed in the data")
    summary = retrain_summary(retraining, audit, compare_models(run, evaluations), changes)
    figures = (try_to_show(lambda: dataset_figures(dataset, audit), "the plots of the data") or {}) | (
        try_to_show(
            lambda: evaluation_figures(run, evaluations, metrics, retraining.verdict.model),
            "the plots of the models",
        )
        or {}
    )
    photos = (try_to_show(lambda: dataset_photos(dataset, audit), "photographs of the data") or {}) | (
        try_to_show(
            lambda: mistake_photos(run, dataset, evaluations, metrics, retraining.verdict.model),
            "the mistakes",
        )
        or {}
    )
    pictures = write_pictures(run, figures) | photos | wrong_labels(run)
    questions = try_to_show(lambda: question_links(dataset, run.store), "links to questions") or {}
    overview = way_to_overview(run.store)
    review = storage.review_way(run.store)
    report = retrain_report(summary, audit, metrics, pictures, overview, questions, review)
    report_url = storage.report_url(run.folder_url)
    storage.write_bytes(report_url, report.encode())
    storage.write_record(storage.summary_url(run.folder_url), summary)
    write_overview(run.store)
    try_to_show(lambda: publish_artifacts(run, summary, metrics, figures), "the artifacts in Prefect")
    return report_url


def retrain_summary(
    retraining: Retraining,
    audit: Mapping[str, Any],
    comparison: Mapping[str, Any] | None,
    changes: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The content of summary.json; `failures` says why models are missing, by kind, `verdict` all in a line.

    comparison: as `compare_models` gives it. changes: as `changes_since` gives it.
    """
    dataset, models = retraining.dataset, zip(retraining.models, retraining.evaluations, strict=True)
    summary = {
        "run": retraining.run.name,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": sum(retraining.stage_seconds.values()),
        "dataset": {
            **dataset_summary(dataset),
            "decoded": dataset.decoded,
            "taken_over": dataset.reused,
            **{name: audit["counts"][name] for name in AUDIT_COUNTS},
            "left_out_classes": dataset.left_out,
        },
        "models": {model.kind: model_summary(model, evaluation) for model, evaluation in models},
        "comparison": comparison,
        "champion": asdict(retraining.verdict),
        "changes": changes,
        "stages": dict(retraining.stage_seconds),
        "training": retraining.training.model_dump(mode="json"),
        "versions": package_versions(),
        "started": retraining.started,
        "failures": dict(retraining.failures),
    }
    return summary | {"verdict": retraining_verdict(summary)}


def model_summary(model: TrainedModel, evaluation: Evaluation) -> dict[str, Any]:
    """What summary.json says of a model."""
    return {
        "version": model.version,
        "parameters": model.parameters,
        "epochs": model.epochs,
        "best_epoch": model.best_epoch,
        "seconds": model.seconds,
        "images_per_second": model.images_per_second,
        "precision": model.precision,
        "val": {"accuracy": evaluation.val_accuracy},
        "test": {
            "accuracy": evaluation.accuracy,
            "low": evaluation.low,
            "high": evaluation.high,
            "ece": evaluation.ece,
        },
    }


def compare_models(run: Run, evaluations: Sequence[Evaluation]) -> dict[str, Any] | None:
    """The run's first two models on the same test images; None where there is but one."""
    if len(evaluations) < 2:
        return None
    kinds = [evaluation.kind for evaluation in evaluations[:2]]
    first_right, second_right = (read_right(run.kind_url(kind)) for kind in kinds)
    return {"models": kinds} | compare(first_right, second_right)


def changes_since(champion: str | None, dataset: Dataset, store: str) -> dict[str, Any] | None:
    """What changed in the data since the champion before this run was trained, if there was one.

    Of a champion or a dataset that is damaged: that it cannot be told. The report is written all the same.
    """
    if not champion:
        return None
    try:
        return data_changes(dataset, read_record(store, champion)["dataset"])
    except Exception as error:
        log.warning("What changed since the champion %s cannot be told: %s", champion, error)
        return {"dataset": None, "same": False, "kept": False}


def publish_artifacts(run: Run, summary: Mapping[str, Any], metrics: Metrics, figures: Figures) -> None:
    """Make a Markdown artifact with the verdict and plots, and one table of classes a model."""
    report_url = storage.report_url(run.folder_url)
    report_link = link_to_report(report_url, storage.address_of(report_url))
    review = storage.review_way(run.store)
    page = retrain_markdown(summary, metrics, small_pictures(figures), report_link, review)
    create_markdown_artifact(
        page, key="retrain-summary", description=plain(f"{summary['verdict']} ({run.name})")
    )
    for kind, of_model in metrics.items():
        rows = [{name: cell(value) for name, value in row.items()} for row in of_model["per_class"]]
        key = f"{kind.replace('_', '-')}-classes"
        create_table_artifact(rows, key=key, description=f"{kind} on the test images, class by class")


def cell(value: object) -> object:
    """A value for a table artifact, whose cells, as all descriptions, the Prefect UI reads as Markdown."""
    return plain(value) if isinstance(value, str) else round(value, 3) if isinstance(value, float) else value
