"""Ray Train around the training loop: one worker or many, a checkpoint every epoch, the model at the end."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.fs
import ray

from tasks import storage
from tasks.corrections import read_answers
from tasks.dataset import Dataset
from tasks.errors import Diverged, InputError, JobError
from tasks.networks import check_unregistered
from tasks.parameters import ModelKind, Training
from tasks.process import restored_signal
from tasks.storage import Run
from tasks.task_runs import task
from tasks.training.cluster import Resources, check_cluster, tell_exposure
from tasks.training.memory import tell_memory
from tasks.training.room import Tell, wait_for_room

if TYPE_CHECKING:
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

KEPT_CHECKPOINTS = 2  # the last may be half-written when a machine dies
MAX_FAILURES = 3
BLOCKS = {"cnn": "cnn", "mobilenet": "mobilenet_v2"}  # by the prefix that parameters had in schema version 0
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # on CPUs training is a twentieth faster
START_SECONDS = "10"  # how long Ray Train waits for room that was there a moment ago
CONTROLLER_STATE = "checkpoint_manager_snapshot.json"  # of Ray Train, which writes it in place
MAX_STARTS = 30  # of START_SECONDS each: others may take the room that was there a moment ago
REPORT_SECONDS = "0.2"  # how long each epoch waits for Ray Train to take its report; 2 by default


@dataclass(frozen=True)
class TrainedModel:
    """A trained model in the store, and how its training went."""

    kind: str
    version: str
    parameters: int
    epochs: int
    best_epoch: int
    seconds: float
    images_per_second: float
    precision: str

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.parameters:,} parameters, epoch {self.best_epoch} of {self.epochs} kept, "
            f"{self.images_per_second:,.0f} images a second in {self.precision}, {self.seconds:,.0f} s"
        )


def check_machines(training: Training) -> None:
    """Raise InputError where the cluster is too small for a training; tell what it asks of its machines."""
    check_cluster(training)
    tell_exposure(training)
    tell_memory(training)


def check_resumed(run: Run, training: Training) -> None:
    """Raise InputError where a run that has begun is resumed with other parameters."""
    if not run.has_begun():
        return
    parameters, earlier_parameters = training.model_dump(mode="json"), read_run(run)["training"]
    if changed := [name for name in parameters if parameters[name] != earlier_parameters.get(name)]:
        raise InputError(
            f"A run goes on with the parameters it began with. Received other values for "
            f"{', '.join(changed)}: start a new run without `resume`."
        )


def dataset_begun(run: Run) -> str | None:
    """The fingerprint of the dataset that a run has begun to train on; None where it has not."""
    return read_run(run)["dataset"] if run.has_begun() else None


@task(task_run_name="open run")
def open_run(run: Run, fingerprint: str, training: Training, inputs: Mapping[str, str]) -> None:
    """Write what a run trains on and how; raise InputError where it is resumed on another dataset.

    inputs: digests of all that it depends on, by which a later run knows whether anything is new. How many
    answers there were is written too.
    """
    record = {"dataset": fingerprint, "training": training.model_dump(mode="json"), "inputs": dict(inputs)}
    record = storage.with_schema_version(record | {"answers": len(read_answers(run.store))})
    if storage.create_json(run.record_url, record):
        return
    earlier_fingerprint = read_run(run)["dataset"]
    if earlier_fingerprint != fingerprint:
        raise InputError(
            f"A run goes on with the images it began with, dataset {earlier_fingerprint}. "
            f"Received {fingerprint}: start a new run without `resume`."
        )


def read_run(run: Run) -> dict[str, Any]:
    """What run.json says: fingerprint of the dataset and parameters, each kind's in a block of its own.

    An older Darkroom balanced nothing.
    """
    record = storage.read_record(run.record_url)
    return record | {"training": {"balance": "none", **with_blocks(record["training"])}}


def with_blocks(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a training, each kind's in a block of its own.

    Schema version 0 has them side by side: `cnn_dropout` for `dropout` of `cnn`.
    """
    nested: dict[str, Any] = {}
    for name, value in parameters.items():
        prefix, _, rest = name.partition("_")
        if prefix in BLOCKS and name not in BLOCKS.values():
            nested.setdefault(BLOCKS[prefix], {})[rest] = value
        else:
            nested[name] = value
    return nested


@task(task_run_name="train {kind}")
def train_model(kind: ModelKind, dataset: Dataset, training: Training, run: Run) -> TrainedModel:
    """Train one model on Ray Train, unless this run did so before. Raises Diverged, when resumed too."""
    folder = run.kind_url(kind)
    diverged = storage.diverged_url(folder)
    if not storage.exists(storage.training_url(folder)) and not storage.exists(diverged):
        check_unregistered(run.version_url(kind))
        try:
            fit(kind, dataset, training, run)
        except JobError as error:
            resume = f"The same command with `--resume {run.name}` goes on with it."
            raise JobError(f"Training {kind} failed: {error} {resume}") from error
    storage.remove(run.checkpoint_url(kind))
    storage.remove(storage.cache_url(folder))
    if storage.exists(diverged):
        raise Diverged(f"Training {kind} failed: {storage.read_json(diverged)}")
    return read_trained(folder)


def fit(kind: ModelKind, dataset: Dataset, training: Training, run: Run) -> None:
    """Train one model to its end, through lost workers, controllers and nodes. Raises JobError otherwise.

    Ray Train would wait for room without end or word: whenever it finds none, the wait is ours.
    """
    from ray import train
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", REPORT_SECONDS)
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", START_SECONDS)
    check_cluster(training)  # one that was too small from the start is told at once
    failures = starts_in_vain = 0
    while True:
        with telling_waits(run, kind) as tell:
            resources = wait_for_room(training, tell)
        forget_broken_state(run, kind)
        try:
            run_to_end(trainer(kind, dataset, training, run, resources))
            return
        except (ray.exceptions.RayActorError, train.ControllerError) as error:
            if storage.disk_failure(error):  # the controller keeps its state there: a start fails as well
                with storage.naming_disk(run.folder_url):
                    raise
            if isinstance(getattr(error, "controller_failure", None), WorkerGroupStartupTimeoutError):
                starts_in_vain += 1
            else:
                failures += 1
            if failures > MAX_FAILURES or starts_in_vain > MAX_STARTS:
                raise JobError(
                    f"it failed {failures} times and did not start {starts_in_vain} times. {_line(error)}"
                ) from error
            with suppress(
                Exception
            ):  # it fails while its storage is away; what stays so fails the next, told
                storage.patiently(lambda: storage.names(run.folder_url))
        except train.TrainingFailedError as error:
            raise JobError(_cause(error)) from error


def run_to_end(trainer: "DataParallelTrainer") -> None:
    """Train, and leave SIGINT as it was: Ray Train's handler would keep its controller alive after it."""
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # a process that none here asks
    with restored_signal(signal.SIGINT):
        trainer.fit()


def forget_broken_state(run: Run, kind: ModelKind) -> None:
    """Remove the state of Ray Train's controller where a full disk left half of it: no other would start.

    The training then begins anew, and comes to the same weights.
    """
    url = storage.join(run.checkpoint_url(kind), CONTROLLER_STATE)
    if storage.exists(url) and storage.json_unless_broken(url) is None:
        storage.remove(url)


def trainer(
    kind: ModelKind, dataset: Dataset, training: Training, run: Run, resources: Resources
) -> "DataParallelTrainer":
    from ray import train
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from tasks.training.backend import TensorflowCluster

    return DataParallelTrainer(
        train_worker,
        backend_config=TensorflowCluster(),
        train_loop_config={"kind": kind, "dataset": dataset, "training": training, "run": run},
        scaling_config=resources.scaling,
        run_config=train.RunConfig(  # type: ignore[call-arg]  # mypy sees Ray's older one
            name=kind,
            failure_config=train.FailureConfig(  # type: ignore[call-arg]
                max_failures=MAX_FAILURES, controller_failure_limit=0
            ),
            checkpoint_config=train.CheckpointConfig(num_to_keep=KEPT_CHECKPOINTS),
            worker_runtime_env={"env_vars": HUGE_PAGES},
            **_checkpoint_storage(run),
        ),
    )


@contextmanager
def telling_waits(run: Run, kind: ModelKind) -> Iterator[Tell]:
    """Yield a function that writes what is waited for where the flow reads it (see `read_wait`).

    Storage that is away is no reason to fail.
    """
    url = storage.waiting_url(run.kind_url(kind))

    def tell(words: str) -> None:
        with suppress(Exception):
            storage.write_json(url, {"words": words})

    try:
        yield tell
    finally:
        with suppress(Exception):
            storage.remove(url)


def read_wait(run: Run, kind: str) -> str:
    """What a training waits for, in words; empty where it does not wait."""
    record = storage.json_unless_broken(storage.waiting_url(run.kind_url(kind))) or {}
    return str(record.get("words", ""))


def read_trained(folder: str) -> TrainedModel:
    """The record of a training that is done."""
    record = storage.read_json(storage.training_url(folder))
    return storage.from_record(TrainedModel, record)


def _cause(error: Exception) -> str:
    """The worker's own error, without Ray's wrapping."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    first = next(iter(failures.values()))
    return _line(getattr(first, "cause", None) or first)


def _line(error: BaseException) -> str:
    """What an error says: Ray begins with it, and tracebacks end with it."""
    lines = str(error).strip().splitlines()
    return lines[0 if isinstance(error, ray.exceptions.RayError) else -1]


def _checkpoint_storage(run: Run) -> dict[str, Any]:
    if storage.is_local(run.checkpoints_url):
        return {"storage_path": run.checkpoints_url}
    fs, path = storage.filesystem(run.checkpoints_url)
    return {"storage_path": path, "storage_filesystem": pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fs))}


def train_worker(config: dict[str, Any]) -> None:
    """What every Ray Train worker runs."""
    from ray import train

    from tasks.training import worker

    try:
        worker.train(**config)
    except Diverged as error:  # Ray Train would start it again and again
        if train.get_context().get_world_rank() == 0:
            storage.write_json(storage.diverged_url(config["run"].kind_url(config["kind"])), str(error))
