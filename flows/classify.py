"""Bulk classification: an image folder and a model version in, one row a file out."""

from typing import Any

from prefect import flow
from prefect.states import State
from prefect_ray.context import remote_options

from deployments.nights import missed_night
from deployments.settings import Settings
from flows.naming import run_title
from flows.progress import Stages
from flows.runtime import over_deployed, own_deployment, ray_runner
from tasks import storage
from tasks.classification import (
    check_options,
    check_room,
    classify_partition,
    commit_predictions,
    locate,
    open_sorting,
    partitions,
    plan_job,
    room_for,
    tell_moved,
)
from tasks.display import try_to_show
from tasks.form import Folded
from tasks.parameters import Classification, Word
from tasks.publishing import completed, note_classification
from tasks.registry import read_version, try_to_announce, witness_champion
from tasks.storage import leased, locked


@flow(name="classify", task_runner=ray_runner(), flow_run_name=run_title)
def classify(
    images: Word,
    store: Word = "store",
    output: Word = "predictions",
    model: Word = "champion",
    options: Folded[Classification] = Classification(),
) -> dict[str, Any] | State[dict[str, Any]]:
    """Classify every file below a folder, one row a file.

    Args:
        images: Folder of images of any depth, local or a URL such as s3://bucket/folder. A form in which
            this is left empty takes that of the deployment.
        store: Folder or URL that holds the model.
        output: Folder or URL for the predictions; run again, it goes on where it stopped. `{images}` in it
            stands for the name of the image folder.
        model: Version to classify with; champion is the store's present one.
        options: How the folder is classified.
    """
    if state := missed_night():
        return state
    witness_champion(store)
    version = read_version(store, model)
    images, output, options = locate(images, output, over_deployed("options", options))
    with leased(version.folder_url, storage.absolute(store)), locked(output, "output") as lock:
        version = read_version(store, version.version)  # it may have been removed just before
        stages = Stages(check=lock.check)
        with stages.stage("list"):
            room = check_room(options)
            job = plan_job(images, output, version, options)
            open_sorting(job)
            try_to_show(lambda: tell_moved(job, store), "what was moved by hand")
        with remote_options(num_cpus=options.cpus_per_task, num_gpus=options.gpus_per_task):
            committed = stages.parts(
                "classify",
                classify_partition,
                partitions(job, room),
                job.plan.files,
                limit=lambda: room_for(options) + 1,  # one waits: the longest come first
            )
        lock.check()
        summary = commit_predictions(job, committed, stages.seconds.get("classify", 0.0))
        note_classification(store, summary)
        announce_answers(store)
        return completed(summary, output, store, output)


def announce_answers(store: str) -> None:
    """Announce answers that came another way than by the stack's page, where a stack hears it.

    The temporary server of a command line would hear it in vain.
    """
    if own_deployment():
        try_to_announce(store, Settings().retrain_answers)


def check_classification(
    images: str,
    store: str = "store",
    output: str = "predictions",
    model: str = "champion",
    options: Classification = Classification(),
) -> None:
    """Raise InputError for mistakes that show without Prefect and Ray, before either is started."""
    storage.check_folder(storage.absolute(images))
    storage.check_store(store)
    version = read_version(store, model)
    check_options(version, options)
    locate(images, output, Classification())
