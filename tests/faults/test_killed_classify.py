"""Bulk classification, killed: the rows after running again are those of an untouched run."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ray.cluster_utils import Cluster

from flows.classify import classify
from tasks.parameters import Classification
from tests.faults.processes import command_of, darkroom, finish, until
from tests.untrained import untrained_store

FILES = 4_000
PARTS = 16


@pytest.fixture(scope="module")
def many(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen parts' worth of files: links to the sample's unlabelled ones, bad ones among them."""
    root = tmp_path_factory.mktemp("many")
    files = sorted((sample / "seg_pred/seg_pred").iterdir())
    for number in range(FILES):
        os.link(files[number % len(files)], root / f"{number:05d}.jpg")
    return root


@pytest.fixture(scope="module", params=["exact", pytest.param("int8", marks=pytest.mark.slow)])
def options(request: pytest.FixtureRequest) -> Classification:
    return Classification(engine=request.param)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return untrained_store(tmp_path_factory.mktemp("store"), "cnn", size_px=96)


def start(
    images: Path, store: str, output: Path, options: Classification, api: str, ray_address: str
) -> subprocess.Popen:
    command = ["classify", "--images", str(images), "--store", store, "--output", str(output)]
    command += ["--engine", options.engine]
    return darkroom(command, output.parent / "prefect", api, ray_address)


def parts_done(output: Path) -> int:
    return len(list((output / "_done").glob("part-*.json")))


def stamps(output: Path) -> dict[str, int]:
    """When each part that is done was written."""
    markers = (output / "_done").glob("part-*.json")
    return {path.name: (output / f"{path.stem}.parquet").stat().st_mtime_ns for path in markers}


def rows(output: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted(output.glob("part-*.parquet")))


@pytest.fixture(scope="module")
def untouched(
    many: Path, store: str, options: Classification, one_ray: None, tmp_path_factory: pytest.TempPathFactory
) -> pa.Table:
    """The rows of a run nobody disturbed."""
    output = tmp_path_factory.mktemp("untouched") / "out"
    classify(str(many), store, str(output), options=options)
    return rows(output)


def test_one_row_a_file_in_order(untouched: pa.Table):
    assert untouched["path"].to_pylist() == [f"{number:05d}.jpg" for number in range(FILES)]
    assert 0 < untouched["status"].to_pylist().count("corrupt") < FILES


def test_a_killed_flow_loses_and_repeats_nothing(many, store, options, untouched, tmp_path, api):
    output = tmp_path / "out"
    process = start(many, store, output, options, api, ray.get_runtime_context().gcs_address)
    until(lambda: parts_done(output) >= 2, process)
    done = stamps(output)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (output / "_SUCCESS").exists()
    assert len(done) < PARTS

    classify(str(many), store, str(output), options=options)
    assert rows(output).equals(untouched)
    assert done.items() <= stamps(output).items()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield cluster
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("options", ["exact"], indirect=True)  # of other engines a killed flow tells as much
def test_a_killed_worker_and_a_lost_node_of_two_lose_nothing(
    many, store, options, untouched, tmp_path, api, cluster
):
    node = cluster.add_node(num_cpus=1)
    output = tmp_path / "out"
    process = start(many, store, output, options, api, cluster.address)
    until(lambda: parts_done(output) >= 1, process)
    mine = psutil.Process().children(recursive=True)
    at_work = [worker for worker in mine if "ray::classify" in command_of(worker)]
    assert at_work, "no Ray worker was at work"
    at_work[0].kill()
    until(lambda: parts_done(output) >= 2, process)
    cluster.remove_node(node, allow_graceful=False)
    assert parts_done(output) < PARTS
    finish(process)
    assert rows(output).equals(untouched)
