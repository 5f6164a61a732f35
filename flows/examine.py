"""The first half of retrain and explore: decode the listed images, compute their features, audit them."""

from flows.progress import Stages
from tasks.audit import audit_dataset, check_labels, embed_part, fetch_base, plan_features
from tasks.dataset import Dataset, Manifest, check_splits, commit_dataset, decode_part, plan_parts
from tasks.parameters import Training
from tasks.storage import Run


def examine(
    manifest: Manifest,
    weights: str,
    training: Training | None,
    max_bad_share: float,
    run: Run,
    stages: Stages,
) -> Dataset:
    """Commit a listed folder as a dataset and audit it. Returns it as it is trained on.

    weights: of the MobileNetV2 that wrong labels are found with. training: of the models, where any are
    trained on the dataset: the run then fails, as soon as that can be known, where weights that they start
    from cannot be loaded, or a split is empty.
    """
    needed = training is not None and training.uses_weights
    base = fetch_base.submit(manifest.dataset_url, manifest.size_px, weights, needed)
    if needed:
        base.result()
    decoded = stages.parts("decode", decode_part, plan_parts(manifest), manifest.files)
    with stages.stage("audit"):
        dataset = commit_dataset(manifest, decoded, max_bad_share)
    trained_on = check_splits(dataset) if training else dataset
    stages.parts("look", embed_part, plan_features(dataset, base.result()), manifest.files)
    with stages.stage("audit"):
        check_labels(dataset, base.result(), run)
        audit_dataset(dataset)
    return trained_on
