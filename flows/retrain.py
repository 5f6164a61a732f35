"""The main job: labelled images in; two judged models, a report and perhaps a new champion out."""

from prefect import flow
from prefect_ray.context import remote_options

from flows.naming import run_of, run_title
from flows.progress import Stages
from flows.runtime import ray_runner
from tasks.audit import audit_shards
from tasks.dataset import check_splits, commit_shards
from tasks.evaluation import evaluate_model
from tasks.gate import promote
from tasks.manifest import check_trainable, list_images
from tasks.publishing import publish_report
from tasks.registry import register
from tasks.settings import Gate, MaxBadShare, Training, Word
from tasks.shards import decode_part, plan_parts
from tasks.tracking import check_tracking, track
from tasks.training import Run, fetch_weights, locate_weights, open_run, train_model


@flow(name="retrain", task_runner=ray_runner(), flow_run_name=run_title)
def retrain(
    images: Word,
    store: Word = "store",
    training: Training = Training(),
    gate: Gate = Gate(),
    max_bad_share: MaxBadShare = 0.05,
    resume: Word | None = None,
) -> Run:
    """Train, judge and perhaps promote the models on a folder of labelled images.

    Args:
        images: Folder of images sorted by class, with a test split; local or a URL such as s3://bucket/folder.
        store: Folder or URL for datasets, runs and models.
        training: How the models are trained.
        gate: What a model must reach before it may become the champion.
        max_bad_share: Share of unusable files that fails the run.
        resume: Name of an interrupted run of the store to go on with.
    """
    stages, run = Stages(), run_of(store, resume)
    training = locate_weights(training)
    check_tracking()
    with stages.stage("list"):
        manifest = list_images(images, store, training.image_size, training.val_share)
        check_trainable(manifest)
    weights = fetch_weights.submit(training)
    decoded = stages.parts("decode", decode_part.map(plan_parts(manifest)), manifest.files)
    with stages.stage("audit"):
        shards = commit_shards(manifest, decoded, max_bad_share)
        audit = audit_shards(shards)
    check_splits(shards)
    open_run(run, shards, training)
    weights.result()
    with remote_options(num_cpus=0):
        started = [train_model.submit(kind, shards, training, run) for kind in training.models]
    trained = [
        stages.epochs(future, run, kind, training.epochs_of(kind))
        for kind, future in zip(training.models, started, strict=True)
    ]
    judged = stages.results("evaluate", [evaluate_model.submit(model, shards, run) for model in trained])
    for model, evaluation in zip(trained, judged, strict=True):
        register(model, evaluation, shards)
    [verdict] = stages.results("promote", [promote.submit(judged, shards, audit, run, gate)])
    publish_report(run, shards, audit, training, trained, judged, verdict, stages.started, stages.seconds)
    track(run, trained, judged)
    return run
