"""What retrain and explore do first: decode the images that were listed, look through them, audit them."""

from flows.progress import Stages
from tasks.audit.features import embed_part, fetch_base, plan_features
from tasks.audit.findings import audit_shards
from tasks.audit.wrong_labels import check_labels
from tasks.dataset.index import Shards, commit_shards
from tasks.dataset.manifest import Manifest
from tasks.dataset.parts import decode_part, plan_parts
from tasks.training.run import Run


def examine(
    manifest: Manifest, weights: str, needed: bool, max_bad_share: float, run: Run, stages: Stages
) -> tuple[Shards, str]:
    """Commit a listed folder as a dataset and audit it. Returns it, and the URL of its audit.

    weights: what wrong labels are looked for with; needed, if a model is trained from them too.
    """
    base = fetch_base.submit(manifest.dataset, manifest.size_px, weights, needed)
    decoded = stages.parts("decode", decode_part, plan_parts(manifest), manifest.files)
    with stages.stage("audit"):
        shards = commit_shards(manifest, decoded, max_bad_share)
    stages.parts("look", embed_part, plan_features(shards, base.result()), manifest.files)
    with stages.stage("audit"):
        check_labels(shards, base.result(), run)
        audit = audit_shards(shards)
    return shards, audit
