"""A classification that dies of a file, of a kill or of a full disk: nothing wrong or half-written stays."""

import multiprocessing
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tasks import storage
from tasks.classification import classify
from tasks.classification.classify import classify_partition
from tasks.classification.job import Partition, partitions, plan_job
from tasks.classification.rows import read_part, read_rows
from tasks.errors import JobError
from tasks.parameters import Classification, Fit
from tasks.pictures import DecodedImage, apart, decode_image
from tests.tasks.classification.test_classify import only_partition, version


def classify_and_die_before_the_marker(partition: Partition) -> None:
    storage.write_record = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    classify_partition.fn(partition)


def test_a_marker_never_stands_beside_another_models_rows(sample, tmp_path):
    images, output = sample / "seg_pred", tmp_path / "out"
    first, second = version(tmp_path, 1), version(tmp_path, 2)
    classify_partition.fn(only_partition(images, output, first))
    rows = read_part(str(output / "part-00000.parquet"))

    process = multiprocessing.get_context("spawn").Process(
        target=classify_and_die_before_the_marker, args=(only_partition(images, output, second),)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not read_part(str(output / "part-00000.parquet")).equals(rows)

    again = classify_partition.fn(only_partition(images, output, first))
    assert again.classified == again.images
    assert read_part(str(output / "part-00000.parquet")).equals(rows)
    assert classify_partition.fn(only_partition(images, output, first)).classified == 0


def classify_and_die_of_the_culprit(partition: Partition) -> None:
    """A decoder that ends its process, here or in a helper, where a file ends in CRASH."""

    def decode(data: bytes, size_px: int, apart: bool, fit: Fit) -> DecodedImage:
        if data.endswith(b"CRASH") and not apart:
            os.kill(os.getpid(), signal.SIGSEGV)
        return decode_image(data, size_px, apart, fit)

    classify.decode_image = decode
    apart.HELPER = "tests.tasks.pictures.failing_helper"
    classify_partition.fn(partition)


def test_the_file_that_a_worker_died_of_is_named_and_all_others_have_their_rows(sample, tmp_path):
    images, output, model = tmp_path / "in", tmp_path / "out", version(tmp_path, 1)
    shutil.copytree(sample / "seg_pred/seg_pred", images)
    culprit = sorted(images.glob("*.jpg"))[1]
    culprit.write_bytes(culprit.read_bytes() + b"CRASH")
    partition = only_partition(images, output, model)
    exit_codes = []
    for _ in range(2):
        process = multiprocessing.get_context("spawn").Process(
            target=classify_and_die_of_the_culprit, args=(partition,)
        )
        process.start()
        process.join()
        exit_codes.append(process.exitcode)
    assert exit_codes == [-signal.SIGSEGV, 0]
    [rows] = read_rows(partition.job)
    errors = {row["path"]: row["error"] for row in rows.to_pylist() if row["status"] != "ok"}
    assert "crashed" in errors.pop(culprit.name)
    assert len(rows) == len(list(images.iterdir()))
    assert not list(output.rglob("*.begun"))
    classify_partition.fn(only_partition(sample / "seg_pred/seg_pred", tmp_path / "sound", model))
    sound = read_part(str(tmp_path / "sound" / "part-00000.parquet"))
    others = pc.not_equal(sound["path"], culprit.name)
    assert read_part(str(output / "part-00000.parquet")).filter(others).equals(sound.filter(others))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 96 KiB, of which a test takes as much as it likes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_said_and_nothing_half_written_stays(sample, tmp_path, small_disk):
    images, model = tmp_path / "in", version(tmp_path, 1)
    images.mkdir()
    files = sorted((sample / "seg_pred/seg_pred").iterdir())
    for number in range(2000):
        os.link(files[number % len(files)], images / f"{number:04d}.jpg")
    job_partitions = partitions(plan_job.fn(str(images), str(small_disk), model, Classification()))
    classify_partition.fn(job_partitions[0])
    free = shutil.disk_usage(small_disk).free
    (small_disk / "ballast").write_bytes(bytes(free - 4096))
    with pytest.raises(JobError, match=r"The disk of .* is full: make room"):
        classify_partition.fn(job_partitions[-1])
    assert not [name for name in os.listdir(small_disk) if name.endswith(".tmp")]
    before = {path: path.stat().st_mtime_ns for path in small_disk.glob("part-*")}
    assert len(before) == job_partitions[0].stop
    (small_disk / "ballast").unlink()

    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    for partition in job_partitions:
        classify_partition.fn(partition)
    for partition in partitions(plan_job.fn(str(images), str(tmp_path / "out"), model, Classification())):
        classify_partition.fn(partition)
    assert pa.concat_tables(read_rows(job_partitions[0].job)).equals(
        pa.concat_tables(read_rows(partition.job))
    )
    assert before.items() <= {path: path.stat().st_mtime_ns for path in small_disk.glob("part-*")}.items()
