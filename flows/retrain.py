"""The main job: labelled images in; two judged models, a report and perhaps a new champion out."""

from prefect import flow
from prefect_ray.context import remote_options

from flows.examine import examine
from flows.naming import run_of, run_title
from flows.progress import Stages
from flows.runtime import ray_runner
from tasks.audit import locate_weights
from tasks.dataset import check_places, check_splits, check_trainable, list_images
from tasks.evaluation import evaluate_model
from tasks.parameters import Gate, Leakage, MaxBadShare, Training, Word
from tasks.publishing import Retraining, check_tracking, publish_report, track
from tasks.registry import promote, register
from tasks.storage import Run, at_work
from tasks.training import open_run, train_model


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
    check_places(images, store)
    run = run_of(store, resume)
    training = training.model_copy(update={"weights": locate_weights(training.weights)})
    check_tracking()
    with at_work(run) as lock:
        stages = Stages(run, lock.check)
        with stages.stage("list"):
            manifest = list_images(images, store, training.image_size, training.val_share, leakage)
            check_trainable(manifest)
        dataset = examine(manifest, training.weights, training.uses_weights, max_bad_share, run, stages)
        check_splits(dataset)
        open_run(run, dataset, training)
        with remote_options(num_cpus=0):
            started = [train_model.submit(kind, dataset, training, run) for kind in training.models]
        trained = [
            stages.epochs(future, run, kind, training.epochs_of(kind))
            for kind, future in zip(training.models, started, strict=True)
        ]
        evaluating = [evaluate_model.submit(model, dataset, run) for model in trained]
        evaluations = stages.results("evaluate", evaluating)
        for model, evaluation in zip(trained, evaluations, strict=True):
            register(model, evaluation, dataset, run)
        [verdict] = stages.results("promote", [promote.submit(evaluations, dataset, run, gate)])
        publish_report(
            Retraining(run, dataset, training, trained, evaluations, verdict, stages.started, stages.seconds)
        )
        track(run, trained, evaluations)
        return run
