"""A look at a dataset: audit and plots of an image folder, by the tasks that retrain uses."""

from typing import Any

from prefect import flow

from flows.examine import examine
from flows.naming import run_of, run_title
from flows.progress import Stages
from flows.runtime import over_deployed, ray_runner
from tasks.audit import locate_weights
from tasks.dataset import check_labels_file, check_places, list_images
from tasks.form import Folded
from tasks.parameters import Data, Leakage, MaxBadShare, Training, Word
from tasks.publishing import publish_exploration
from tasks.registry import witness_champion
from tasks.storage import at_work


@flow(name="explore", task_runner=ray_runner(), flow_run_name=run_title)
def explore(
    images: Word,
    store: Word = "store",
    weights: Word = "imagenet",
    data: Folded[Data] = Data(),
    leakage: Leakage = "exclude",
    max_bad_share: MaxBadShare = 1.0,
) -> str:
    """Audit and plot a folder of labelled images, training nothing.

    Args:
        images: Folder of images, sorted by class or with a file of labels; local or a URL such as s3://bucket/folder.
            A form in which this is left empty takes that of the deployment.
        store: Folder or URL for datasets, runs and models.
        weights: What MobileNetV2 looks for wrong labels with: imagenet, none, or the path of a weights file.
        data: Where labels come from, and how images are divided among the splits.
        leakage: Training images that are copies of test images: exclude them, or only report them.
        max_bad_share: Share of unusable files that fails the run.
    """
    witness_champion(store)
    data = over_deployed("data", data)
    check_exploration(images, store, weights, data)
    run, usual, weights = run_of(store), Training(), locate_weights(weights)
    with at_work(run) as lock:
        stages = Stages(check=lock.check)
        with stages.stage("list"):
            manifest = list_images(images, store, usual.image_size, usual.val_share, leakage, data=data)
        dataset = examine(manifest, weights, None, max_bad_share, run, stages)
        return publish_exploration(dataset, run)


def check_exploration(
    images: str, store: str = "store", weights: str = "imagenet", data: Data = Data(), **_: Any
) -> None:
    """Raise InputError for mistakes that show without Prefect and Ray, before either is started."""
    check_places(images, store)
    check_labels_file(data)
    locate_weights(weights)
