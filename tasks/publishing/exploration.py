"""Tells what lies in a dataset: its figures, photographs of what was found, the report of an exploration."""

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.audit import read_audit
from tasks.dataset import Dataset
from tasks.pages import explore_markdown, explore_report, way_to
from tasks.publishing.figures import dataset_figures, dataset_photos, small, write_pictures
from tasks.storage import Run


@task(cache_policy=NO_CACHE, task_run_name="publish report")
def publish_exploration(dataset: Dataset, run: Run) -> str:
    """Write the report of a dataset and its plots. Returns the report's URL."""
    audit = read_audit(dataset, run)
    figures = dataset_figures(dataset, audit)
    pictures = write_pictures(run, figures) | dataset_photos(dataset, audit)
    report_url = storage.report_url(run.folder_url)
    storage.write_bytes(report_url, explore_report(audit, pictures, dataset.images_url).encode())
    way = way_to(report_url, storage.address_of(report_url))
    page = explore_markdown(audit, small(figures), way)
    create_markdown_artifact(page, key="explore-summary", description=f"What lies in {dataset.images_url}")
    return report_url
