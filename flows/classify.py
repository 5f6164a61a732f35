"""Bulk classification: an image folder and a model version in, one row a file out."""

from typing import Any

from prefect import flow

from flows.naming import run_title
from flows.progress import Stages
from flows.runtime import ray_runner
from tasks.predictions import classify_part, plan_job, plan_parts
from tasks.publishing import commit_predictions
from tasks.registry import read_version
from tasks.settings import Format, Images, Model, Output, Store


@flow(name="classify", task_runner=ray_runner(), flow_run_name=run_title)
def classify(
    images: Images,
    store: Store = "store",
    output: Output = "predictions",
    model: Model = "champion",
    format: Format = "parquet",
) -> dict[str, Any]:
    """Classify every file below a folder with a model of the store, resumably."""
    stages = Stages()
    version = read_version(store, model)
    with stages.stage("list"):
        job = plan_job(images, output, version, format)
    done = stages.parts("classify", classify_part.map(plan_parts(job)), job.files)
    return commit_predictions(job, done, stages.seconds.get("classify", 0.0))
