"""A look at a dataset: audit and plots of an image folder, by the tasks that retrain uses."""

from prefect import flow

from flows.naming import run_of, run_title
from flows.progress import Stages
from flows.runtime import ray_runner
from tasks.audit import audit_shards
from tasks.dataset import commit_shards
from tasks.embeddings import embed_part, fetch_base, locate_weights, plan_features
from tasks.exploration import publish_exploration
from tasks.label_errors import check_labels
from tasks.manifest import list_images
from tasks.settings import Leakage, MaxBadShare, Training, Word
from tasks.shards import decode_part, plan_parts


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
    stages, run, usual = Stages(), run_of(store), Training()
    weights = locate_weights(weights)
    with stages.stage("list"):
        manifest = list_images(images, store, usual.image_size, usual.val_share, leakage)
    base = fetch_base.submit(manifest.dataset, weights, needed=False)
    decoded = stages.parts("decode", decode_part.map(plan_parts(manifest)), manifest.files)
    shards = commit_shards(manifest, decoded, max_bad_share)
    stages.parts("look", embed_part.map(plan_features(shards, base.result())), manifest.files)
    labels = check_labels(shards, base.result(), run)
    return publish_exploration(shards, audit_shards(shards, labels), run)
