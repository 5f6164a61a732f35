"""What an earlier run came to, where a command has nothing new to do: found without Prefect and Ray."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

from prefect import Flow
from prefect.settings import PREFECT_API_URL

from tasks import storage
from tasks.audit import locate_weights
from tasks.classification import (
    STANDARD_INPUT,
    count_finished,
    locate,
    open_sorting,
    partitions,
    plan_folder,
    tell_moved,
)
from tasks.dataset import read_folder
from tasks.display import try_to_show
from tasks.parameters import Classification, Data, Gate, Leakage, Training
from tasks.publishing import count_questions
from tasks.registry import inputs_of, last_finished, news_since, read_version, tell_nothing_new
from tasks.storage import Run, locked

MOST_FILES = 100_000  # to list more takes longer than the start of Prefect and Ray that it may save

log = logging.getLogger("darkroom")


def earlier_result(flow: Flow, find: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """What `find` says that a flow of these parameters need not do again; None where it is to run.

    On a Prefect server that is configured every run shall be seen, and nothing has to be started.
    """
    if PREFECT_API_URL.value():
        return None
    signature = inspect.signature(flow.fn)
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    return find(**defaults | parameters)


def earlier_retraining(
    images: str,
    store: str,
    training: Training,
    gate: Gate,
    data: Data,
    leakage: Leakage,
    max_bad_share: float,
    resume: str | None,
    force: bool,
) -> Run | None:
    """The finished retraining that had all that this one would have."""
    images_url, store = storage.absolute(images), storage.absolute(store)
    earlier = None if force or resume else last_finished(store, images_url)
    if earlier is None or count_files(earlier) > MOST_FILES:
        return None
    training = training.model_copy(update={"weights": locate_weights(training.weights)})
    size_px, val_share = training.image_size, training.val_share
    manifest = read_folder(images_url, store, size_px, val_share, leakage, None, data).manifest
    if news_since(earlier, inputs_of(manifest, training, gate, max_bad_share)):
        return None
    log.info("Read %s as %s", images_url, manifest.words)
    tell_nothing_new(earlier)
    return earlier


def count_files(run: Run) -> int:
    dataset = storage.read_record(storage.summary_url(run.folder_url))["dataset"]
    return int(sum(dataset["counts"].values()) + dataset["bad"])


def earlier_classification(
    images: str, store: str, output: str, model: str, options: Classification
) -> dict[str, Any] | None:
    """The summary of the finished classification that has all rows of this one already."""
    version = read_version(store, model)
    images, output, options = locate(images, output, options)
    if options.files == STANDARD_INPUT:  # which can be read once
        return None
    if not 0 < count_finished(output) <= MOST_FILES:
        return None
    with locked(output, "output"):
        job, words = plan_folder(images, output, version, options)
        open_sorting(job)
        if partitions(job):
            return None
        log.info("%s", words)
        try_to_show(lambda: tell_moved(job, store), "what was moved by hand")
    summary = storage.read_record(storage.summary_url(output))
    log.info("Nothing to do: %s images were classified already", f"{summary['images']:,}")
    if waiting := try_to_show(lambda: count_questions(store, output), "what waits for a person"):
        log.info("%s: `%s`", waiting, storage.review_way(store, output))
    return summary
