"""Ray Train around the training loop: one worker or many, a checkpoint every epoch, the model at the end."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.fs
import ray
import ray.train
from prefect import task
from prefect.cache_policies import NO_CACHE
from ray._common.network_utils import build_address
from ray.train._internal.base_worker_group import BaseWorkerGroup
from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from tasks import storage
from tasks.dataset.index import Shards
from tasks.errors import Diverged, InputError, JobError
from tasks.parameters import ModelKind, Training

KEPT_CHECKPOINTS = 2  # the last may be half-written when a machine dies
MAX_FAILURES = 3
BEGUN = "run.json"
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # on CPUs training is a twentieth faster
REPORT_SECONDS = "0.2"  # how long each epoch waits for Ray Train to take its report; 2 by default


@dataclass(frozen=True)
class Run:
    """One retraining: its name and the store it writes to."""

    name: str
    store: str

    def url(self, *parts: str) -> str:
        return storage.join(self.store, "runs", self.name, *parts)

    def begun(self) -> bool:
        """Whether there is training to resume."""
        return storage.exists(self.url(BEGUN))

    def version_url(self, kind: str) -> str:
        return storage.join(self.store, "models", self.version(kind))

    def version(self, kind: str) -> str:
        return f"{self.name}-{kind}"


def cache_url(run: Run, kind: str) -> str:
    """Where a training keeps what its frozen base computed, until it is done."""
    return run.url(kind, "cache")


def diverged_url(run: Run, kind: str) -> str:
    return run.url(kind, "diverged.json")


@dataclass(frozen=True)
class TrainedModel:
    """A trained model in the store, and how its training went."""

    kind: str
    version: str
    uri: str
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


@task(cache_policy=NO_CACHE, task_run_name="open run")
def open_run(run: Run, shards: Shards, training: Training) -> None:
    """Write what a run trains on and how; raise InputError where it is resumed with anything else."""
    record: dict[str, Any] = {
        "dataset": shards.fingerprint,
        "training": training.model_dump(mode="json"),
    }
    url = run.url(BEGUN)
    if storage.create_json(url, record):
        return
    begun = storage.read_json(url)
    if begun["dataset"] != record["dataset"]:
        raise InputError(
            f"A run goes on with the images it began with, dataset {begun['dataset']}. "
            f"Received {record['dataset']}: start a new run without `resume`."
        )
    asked, first = record["training"], begun["training"]
    if changed := [name for name in asked if asked[name] != first.get(name)]:
        raise InputError(
            f"A run goes on with the parameters it began with. Received other values for "
            f"{', '.join(changed)}: start a new run without `resume`."
        )


@task(cache_policy=NO_CACHE, task_run_name="train {kind}")
def train_model(kind: ModelKind, shards: Shards, training: Training, run: Run) -> TrainedModel:
    """Train one model on Ray Train, unless this run has trained it already."""
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", REPORT_SECONDS)
    record = run.url(kind, "training.json")
    if not storage.exists(record):
        check_unregistered(storage.join(run.version_url(kind), "model.keras"))
        storage.remove(diverged_url(run, kind))
        trainer = DataParallelTrainer(
            train_worker,
            backend_config=TensorflowCluster(),
            train_loop_config={"kind": kind, "shards": shards, "training": training, "run": run},
            scaling_config=scaling(training),
            run_config=ray.train.RunConfig(  # type: ignore[call-arg]  # mypy sees Ray's older one
                name=kind,
                failure_config=ray.train.FailureConfig(max_failures=MAX_FAILURES),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=KEPT_CHECKPOINTS),
                worker_runtime_env={"env_vars": HUGE_PAGES},
                **_checkpoint_storage(run),
            ),
        )
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise JobError(f"Training {kind} failed: {_cause(error)}") from error
        if storage.exists(diverged_url(run, kind)):
            raise JobError(f"Training {kind} failed: {storage.read_json(diverged_url(run, kind))}")
    storage.remove(run.url("checkpoints", kind))
    storage.remove(cache_url(run, kind))
    return TrainedModel(**storage.read_json(record))


def _cause(error: ray.train.TrainingFailedError) -> str:
    """The worker's own error, without Ray's wrapping."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    first = next(iter(failures.values()))
    return str(getattr(first, "cause", None) or first).strip().splitlines()[-1]


def _checkpoint_storage(run: Run) -> dict[str, Any]:
    url = run.url("checkpoints")
    if storage.is_local(url):
        return {"storage_path": url}
    fs, path = storage.filesystem(url)
    return {"storage_path": path, "storage_filesystem": pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fs))}


def check_unregistered(uri: str) -> None:
    """Raise JobError when the file at `uri` is one of a registered version."""
    if storage.exists(storage.beside(uri, "model.json")):
        raise JobError(
            f"The files of a registered version are never rewritten: start a new run. Received: {uri!r}."
        )


def scaling(training: Training) -> ray.train.ScalingConfig:
    """What a training asks of Ray: all of a node for one worker, an even share of the cluster for several.

    Raises InputError when the cluster cannot hold so many workers.
    """
    nodes = [
        (int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]
    gpus = training.gpus_per_worker
    if gpus is None:
        gpus = largest_share([gpu for _, gpu in nodes], training.workers)
    cpus = largest_share([cpu for cpu, gpu in nodes if gpu >= gpus], training.workers)
    if cpus == 0:
        raise InputError(
            "The cluster must hold `workers` times a CPU and `gpus_per_worker`. "
            f"Received {training.workers} workers of {gpus} GPUs for nodes of (CPUs, GPUs): {nodes}."
        )
    return ray.train.ScalingConfig(
        num_workers=training.workers,
        use_gpu=gpus > 0,
        resources_per_worker={"CPU": cpus} | ({"GPU": gpus} if gpus else {}),
    )


def largest_share(nodes: Sequence[int], workers: int) -> int:
    """The most of a resource that each of `workers` can have, none of them spread over two nodes."""
    shares = range(max(nodes, default=0), 0, -1)
    return next((share for share in shares if sum(node // share for node in nodes) >= workers), 0)


class _TensorflowBackend(Backend):
    def on_start(self, worker_group: BaseWorkerGroup, backend_config: BackendConfig) -> None:  # noqa: ARG002
        addresses = worker_group.execute(_free_address)
        for index in range(len(addresses)):
            cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            worker_group.execute_single(index, _join_cluster, json.dumps(cluster))


class TensorflowCluster(BackendConfig):
    """Tells every worker of the others, as Ray's TensorflowConfig does.

    That one cannot be imported without TensorFlow, which would cost the task and Ray Train's controller
    6 s and 850 MB each for every model.
    """

    @property
    def backend_cls(self) -> type[Backend]:
        return _TensorflowBackend


def _free_address() -> str:
    return build_address(*get_address_and_port())


def _join_cluster(cluster: str) -> None:
    os.environ["TF_CONFIG"] = cluster


def train_worker(config: dict[str, Any]) -> None:
    """What every Ray Train worker runs."""
    from tasks.training import worker

    try:
        worker.train(**config)
    except Diverged as error:  # Ray Train would start it again and again
        if ray.train.get_context().get_world_rank() == 0:
            storage.write_json(diverged_url(config["run"], config["kind"]), str(error))
