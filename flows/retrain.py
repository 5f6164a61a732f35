"""The main job: labelled images in; two judged models, a report and perhaps a new champion out."""

from typing import Any

from prefect import flow
from prefect_ray.context import remote_options

from flows.examine import examine
from flows.naming import resumable, run_of, run_title
from flows.progress import Stages
from flows.runtime import over_deployed, ray_runner
from tasks.audit import locate_weights
from tasks.dataset import check_places, check_trainable, list_images
from tasks.display import try_to_show
from tasks.evaluation import evaluate_model
from tasks.parameters import Gate, Leakage, MaxBadShare, Training, Word
from tasks.publishing import Retraining, check_tracking, publish_report, track
from tasks.registry import promote, register, witness_champion
from tasks.storage import Run, at_work
from tasks.training import check_machines, check_resumed, dataset_begun, open_run, train_model


@flow(name="retrain", task_runner=ray_runner(), flow_run_name=run_title)
def retrain(
    images: Word,
    store: Word = "store",
    training: Training = Training(),
    gate: Gate = Gate(),
    leakage: Leakage = "exclude",
    max_bad_share: MaxBadShare = 0.05,
    resume: Word | None = None,
) -> Run:
    """Train, judge and perhaps promote the models on a folder of labelled images.

    Args:
        images: Folder of images sorted by class, with a test split; local or a URL such as s3://bucket/folder.
        store: Folder or URL for datasets, runs and models.
        training: How the models are trained.
        gate: What a model must reach before it may become the champion.
        leakage: Training images that are copies of test images: exclude them, or only report them.
        max_bad_share: Share of unusable files that fails the run.
        resume: Name of an interrupted run of the store to go on with.
    """
    witness_champion(store)
    check_places(images, store)
    run = run_of(store, resume)
    training, gate = over_deployed("training", training), over_deployed("gate", gate)
    training = training.model_copy(update={"weights": locate_weights(training.weights)})
    check_resumed(run, training)
    check_machines(training)
    check_tracking()
    with at_work(run) as lock, resumable(run):
        stages = Stages(run, lock.check)
        with stages.stage("list"):
            size_px, begun = training.image_size, dataset_begun(run)
            manifest = list_images(images, store, size_px, training.val_share, leakage, begun)
            check_trainable(manifest)
        open_run(run, manifest.fingerprint, training)
        dataset = examine(manifest, training.weights, training, max_bad_share, run, stages)
        with remote_options(num_cpus=0):
            started = [train_model.submit(kind, dataset, training, run) for kind in training.models]
        trained = stages.trainings(started, run, training)
        evaluating = [evaluate_model.submit(model, dataset, run) for model in trained]
        evaluations = stages.results("evaluate", evaluating)
        for model, evaluation in zip(trained, evaluations, strict=True):
            register(model, evaluation, dataset, run)
        [verdict] = stages.results("promote", [promote.submit(evaluations, dataset, run, gate)])
        publish_report(
            Retraining(run, dataset, training, trained, evaluations, verdict, stages.started, stages.seconds)
        )
        track(run, trained, evaluations)
        try_to_show(lambda: witness_champion(store), "the champion to Prefect")
        return run


def check_retraining(
    images: str,
    store: str = "store",
    training: Training = Training(),
    resume: str | None = None,
    **_: Any,
) -> None:
    """Raise InputError for mistakes that show without Prefect and Ray, before either is started."""
    check_places(images, store)
    weights = locate_weights(training.weights)
    if resume:
        check_resumed(run_of(store, resume), training.model_copy(update={"weights": weights}))
