"""The main job: labelled images in; two judged models, a report and perhaps a new champion out."""

from collections.abc import Sequence
from typing import Any

from prefect import flow
from prefect.states import Completed, State
from prefect_ray.context import remote_options

from deployments.nights import missed_night
from flows.examine import examine
from flows.naming import resumable, run_of, run_title
from flows.progress import Stages
from flows.runtime import over_deployed, ray_runner
from tasks.audit import locate_weights
from tasks.dataset import Dataset, check_labels_file, check_places, check_trainable, list_images
from tasks.display import try_to_show
from tasks.evaluation import Evaluation, evaluate_model
from tasks.form import Folded
from tasks.networks import gpus_of_a_task, memory_of_a_task
from tasks.parameters import Data, Gate, Leakage, MaxBadShare, Training, Word
from tasks.publishing import Retraining, check_tracking, completed, publish_report, track
from tasks.registry import (
    Verdict,
    inputs_of,
    promote,
    register,
    same_as_before,
    tell_nothing_new,
    witness_champion,
)
from tasks.storage import Run, at_work
from tasks.training import (
    TrainedModel,
    check_machines,
    check_resumed,
    dataset_begun,
    open_run,
    train_model,
)

EVALUATION_BYTES = 2_600_000_000  # measured at 150 px, the network's images in the page cache among them


@flow(name="retrain", task_runner=ray_runner(), flow_run_name=run_title)
def retrain(
    images: Word,
    store: Word = "store",
    training: Training = Training(),
    gate: Folded[Gate] = Gate(),
    data: Folded[Data] = Data(),
    leakage: Leakage = "exclude",
    max_bad_share: MaxBadShare = 0.05,
    resume: Word | None = None,
    force: bool = False,
) -> Run | State[Run]:
    """Train, judge and perhaps promote the models on a folder of labelled images.

    Args:
        images: Folder of images, sorted by class or with a file of labels; local or a URL such as s3://bucket/folder.
            A form in which this is left empty takes that of the deployment.
        store: Folder or URL for datasets, runs and models.
        training: How the models are trained.
        gate: What a model must reach before it may become the champion.
        data: Where labels come from, and how images are divided among the splits.
        leakage: Training images that are copies of test images: exclude them, or only report them.
        max_bad_share: Share of unusable files that fails the run.
        resume: Name of an interrupted run of the store to go on with.
        force: Train even where data, answers, parameters and code are those of the last finished run.
    """
    if state := missed_night():
        return state
    witness_champion(store)
    check_places(images, store)
    run, training, gate, data = begin(store, training, gate, data, resume)
    with at_work(run) as lock, resumable(run):
        stages = Stages(run, lock.check)
        with stages.stage("list"):
            size_px, val_share = training.image_size, training.val_share
            manifest = list_images(images, store, size_px, val_share, leakage, dataset_begun(run), data)
            check_trainable(manifest)
        inputs = inputs_of(manifest, training, gate, max_bad_share)
        if not force and (earlier := same_as_before(run, manifest, inputs)):
            return Completed(message=tell_nothing_new(earlier), data=earlier)  # and leaves nothing
        open_run(run, manifest.fingerprint, training, inputs)
        dataset = examine(manifest, training.weights, training, max_bad_share, run, stages)
        models = train(dataset, training, run, stages)
        models, evaluations, verdict = judge(models, dataset, training, run, gate, stages)
        started, seconds, failures = stages.started, stages.seconds, stages.failures
        publish_report(
            Retraining(run, dataset, training, models, evaluations, verdict, started, seconds, failures)
        )
        track(run, models, evaluations)
        try_to_show(lambda: witness_champion(store), "the champion to Prefect")
        return completed(run, run.folder_url, store)


def begin(
    store: str, training: Training, gate: Gate, data: Data, resume: str | None
) -> tuple[Run, Training, Gate, Data]:
    """The run, and its parameters over those of the deployment; InputError where it cannot be run so."""
    run = run_of(store, resume)
    training, gate = over_deployed("training", training), over_deployed("gate", gate)
    data = over_deployed("data", data)
    training = training.model_copy(update={"weights": locate_weights(training.weights)})
    check_resumed(run, training)
    check_machines(training)
    check_tracking()
    return run, training, gate, data


def train(dataset: Dataset, training: Training, run: Run, stages: Stages) -> list[TrainedModel]:
    """Train each kind of model. Returns those that did not diverge."""
    with remote_options(num_cpus=0):
        futures = [train_model.submit(kind, dataset, training, run) for kind in training.models]
    return stages.trainings(futures, run, training)


def judge(
    models: Sequence[TrainedModel],
    dataset: Dataset,
    training: Training,
    run: Run,
    gate: Gate,
    stages: Stages,
) -> tuple[list[TrainedModel], list[Evaluation], Verdict]:
    """Evaluate and register models, and perhaps promote one; on a GPU where there is one that may be used.

    Side by side where a node has the memory for it. Returns the models that could be evaluated, their
    evaluations in the same order, and the verdict.
    """
    gpus = 0 if training.gpus_per_worker == 0 else gpus_of_a_task()
    with remote_options(num_gpus=gpus, memory=memory_of_a_task(EVALUATION_BYTES)):
        futures = [evaluate_model.submit(model, dataset, run) for model in models]
        evaluations = stages.evaluations(futures, run, models)
        models = [model for model in models if model.kind not in stages.failures]
        for model, evaluation in zip(models, evaluations, strict=True):
            register(model, evaluation, dataset, run)
        [verdict] = stages.results("promote", [promote.submit(evaluations, dataset, run, gate)])
    return models, evaluations, verdict


def check_retraining(
    images: str,
    store: str = "store",
    training: Training = Training(),
    resume: str | None = None,
    data: Data = Data(),
    **_: Any,
) -> None:
    """Raise InputError for mistakes that show without Prefect and Ray, before either is started."""
    check_places(images, store)
    check_labels_file(data)
    weights = locate_weights(training.weights)
    if resume:
        check_resumed(run_of(store, resume), training.model_copy(update={"weights": weights}))
