"""A look at a dataset: audit and plots of an image folder, by the tasks that retrain uses."""

from typing import Any

from prefect import flow

from flows.examine import examine
from flows.naming import run_of, run_title
from flows.progress import Stages
from flows.runtime import ray_runner
from tasks.audit import locate_weights
from tasks.dataset import check_places, list_images
from tasks.parameters import Leakage, MaxBadShare, Training, Word
from tasks.publishing import publish_exploration
from tasks.registry import witness_champion
from tasks.storage import at_work


@flow(name="explore", task_runner=ray_runner(), flow_run_name=run_title)
def explore(
    images: Word,
    store: Word = "store",
    weights: Word = "imagenet",
    leakage: Leakage = "exclude",
    max_bad_share: MaxBadShare = 1.0,
) -> str:
    """Audit and plot a folder of labelled images, training nothing.

    Args:
        images: Folder of images sorted by class, local or a URL such as s3://bucket/folder.
        store: Folder or URL for datasets, runs and models.
        weights: What MobileNetV2 looks for wrong labels with: imagenet, none, or the path of a weights file.
        leakage: Training images that are copies of test images: exclude them, or only report them.
        max_bad_share: Share of unusable files that fails the run.
    """
    witness_champion(store)
    check_exploration(images, store, weights)
    run, usual, weights = run_of(store), Training(), locate_weights(weights)
    with at_work(run) as lock:
        stages = Stages(run, lock.check)
        with stages.stage("list"):
            manifest = list_images(images, store, usual.image_size, usual.val_share, leakage)
        dataset = examine(manifest, weights, None, max_bad_share, run, stages)
        return publish_exploration(dataset, run)


def check_exploration(images: str, store: str = "store", weights: str = "imagenet", **_: Any) -> None:
    """Raise InputError for mistakes that show without Prefect and Ray, before either is started."""
    check_places(images, store)
    locate_weights(weights)
