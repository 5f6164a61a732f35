"""A million files: listed, planned, classified, gone on with; for each the time, the memory and the requests.

Each file is a hard link to one of a few JPEGs of 16 px, and the network is one layer: what is measured is
what Darkroom adds. FILES=100000 measures at another size; docs/scale.md has what was measured.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import psutil

from tasks import storage
from tasks.classification import job as jobs
from tasks.classification.classify import CommittedPart, commit_part
from tasks.classification.job import Job, Partition, partitions, parts_of
from tasks.classification.rows import Row
from tasks.parameters import Classification
from tasks.registry import read_version
from tests.bench.measure import Measured, steady_rate
from tests.faults.processes import darkroom, descendants
from tests.untrained import untrained_store

FEW, MANY = 10_000, int(os.environ.get("FILES", "1000000"))
CLASSIFIED = min(MANY, 100_000)  # of a million it would take the better part of an hour on two cores
SIZE, PICTURES, A_FOLDER = 16, 64, 1000
MEGABYTE = 2**20


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    store = untrained_store(scratch / "scale-store", "one_layer", SIZE)
    with tempfile.TemporaryDirectory(dir=os.environ.get("LINKS")) as folder:  # in memory, where /dev/shm is
        links = Path(folder)
        pictures = drawn(links / "pictures")
        few = linked(pictures, links / "few", FEW)
        some = linked(pictures, links / "some", CLASSIFIED)
        yield from classified(store, scratch, few, some)
        many = linked(pictures, links / "many", MANY)
        yield from gone_on_with(store, scratch, many)


def classified(store: str, scratch: Path, few: Path, some: Path) -> Iterator[Measured]:
    memory = peak_megabytes(few, store, scratch / "few")
    peak = peak_megabytes(some, store, scratch / "some")
    rate, reached = steady_rate(scratch / "few"), steady_rate(scratch / "some")
    yield Measured(f"classify, {CLASSIFIED:,} files", reached, f"{FEW:,} files", rate)
    yield Measured(f"its peak memory, {CLASSIFIED:,} files", peak, f"{FEW:,} files", memory, "MB")


def gone_on_with(store: str, scratch: Path, many: Path) -> Iterator[Measured]:
    """List and plan in this process, write rows as if they were predicted, and let the command go on."""
    output = str(scratch / "many")
    bare = seconds_of(lambda: sum(len(files) for _, _, files in os.walk(many)))
    first = time.perf_counter()
    job = plan(many, store, output)
    listed = time.perf_counter() - first
    yield Measured(f"list and plan {MANY:,} files", MANY / listed, "os.walk", MANY / bare, "files/s")
    again = seconds_of(lambda: plan(many, store, output))
    yield Measured("plan again, nothing new", MANY / again, "first time", MANY / listed, "files/s")
    written = seconds_of(lambda: [pretend(partition) for partition in partitions(job)])
    yield Measured("write rows", MANY / written, "plan", MANY / listed, "files/s")
    first = time.perf_counter()
    peak = peak_megabytes(many, store, Path(output))
    resumed = time.perf_counter() - first
    yield Measured("go on with all parts there", MANY / resumed, "plan", MANY / listed, "files/s")
    yield Measured("its peak memory", peak, "manifest", manifest_megabytes(output), "MB")


def plan(images: Path, store: str, output: str) -> Job:
    return jobs.plan_job.fn(str(images), output, read_version(store, "champion"), Classification())


def pretend(partition: Partition) -> list[CommittedPart]:
    """Commit the parts of a partition as if their files had been classified."""
    return [commit_part(part, rows_of(part.files), keep_rows=False) for part in parts_of(partition)]


def rows_of(files: tuple[storage.FileEntry, ...]) -> list[Row]:
    prediction = {"status": "ok", "label": "a", "confidence": 0.5, "model": "v1", "engine": "none"}
    looks = {"top_labels": ["a"], "top_confidences": [0.5], "brightness": 0.5, "sharpness": 0.5}
    return [prediction | looks | {"path": file.path} for file in files]


def drawn(folder: Path) -> list[Path]:
    folder.mkdir()
    rng, paths = np.random.default_rng(0), [folder / f"{number}.jpg" for number in range(PICTURES)]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))
    return paths


def linked(pictures: list[Path], folder: Path, count: int) -> Path:
    """A folder of `count` hard links to a few pictures, A_FOLDER in each folder of it."""
    for number in range(count):
        place = folder / f"{number // A_FOLDER:05d}"
        if number % A_FOLDER == 0:
            place.mkdir(parents=True)
        os.link(pictures[number % len(pictures)], place / f"{number:07d}.jpg")
    return folder


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def manifest_megabytes(output: str) -> float:
    return storage.size(storage.plan_url(output)) / MEGABYTE


def peak_megabytes(images: Path, store: str, output: Path) -> float:
    """Peak megabytes of all processes of a classification, what they share counted once."""
    command = ["classify", "--images", str(images), "--store", store, "--output", str(output)]
    process = darkroom(command, output.parent / "prefect", api=None)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(memory, [psutil.Process(process.pid), *descendants(process)])))
        time.sleep(1)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=process.stderr.read())
    return peak / MEGABYTE


def memory(process: psutil.Process) -> int:
    """Bytes of a process, what it shares counted in part; 0 once it has gone."""
    with suppress(psutil.Error, OSError):
        return process.memory_full_info().pss
    return 0
