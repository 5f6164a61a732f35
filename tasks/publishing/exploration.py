"""The report of an exploration, with its plots, and its short form in the Prefect UI."""

from datetime import UTC, datetime
from typing import Any

from prefect.artifacts import create_markdown_artifact

from tasks import storage
from tasks.audit import read_audit
from tasks.dataset import Dataset
from tasks.display import try_to_show
from tasks.pages import explore_markdown, explore_report, link_to_report, plain
from tasks.publishing.figures import (
    dataset_figures,
    dataset_photos,
    small_pictures,
    write_pictures,
    wrong_labels,
)
from tasks.publishing.history import EXPLORATION
from tasks.publishing.overview import dataset_summary, write_overview
from tasks.storage import Run
from tasks.task_runs import task


@task(task_run_name="publish report")
def publish_exploration(dataset: Dataset, run: Run) -> str:
    """Write the report of a dataset, its plots and artifact, and the summary. Returns the report's URL."""
    audit = read_audit(dataset, run)
    figures = dataset_figures(dataset, audit)
    pictures = write_pictures(run, figures) | dataset_photos(dataset, audit) | wrong_labels(run)
    report_url = storage.report_url(run.folder_url)
    report = explore_report(audit, pictures, dataset.images_url)
    storage.write_bytes(report_url, report.encode())
    report_link = link_to_report(report_url, storage.address_of(report_url))
    page = explore_markdown(audit, small_pictures(figures), report_link)
    title = plain(f"What lies in {dataset.images_url}")
    try_to_show(lambda: create_markdown_artifact(page, key="explore-summary", description=title), title)
    storage.write_record(storage.summary_url(run.folder_url), exploration_summary(dataset, run))
    write_overview(run.store)
    return report_url


def exploration_summary(dataset: Dataset, run: Run) -> dict[str, Any]:
    """The content of summary.json, which says that the exploration is finished and what it was of."""
    return {
        "run": run.name,
        "kind": EXPLORATION,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": dataset_summary(dataset),
    }
