"""A hundred thousand files: listed, planned, classified, gone on with; the time and the memory of each.

Each file is a hard link to one of a few JPEGs of 16 px, and the network is tiny: what is measured is
what Darkroom adds. FILES=1000000 measures at another size; docs/scale.md has what was measured.
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
from tasks.classification.job import Job, plan_job
from tasks.parameters import Classification
from tasks.registry import read_version
from tests.bench.measure import Measured, steady_rate
from tests.faults.processes import darkroom, descendants
from tests.untrained import untrained_store

FEW, MANY = 10_000, int(os.environ.get("FILES", "100000"))
SIZE, PICTURES, A_FOLDER = 16, 64, 1000


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    store = untrained_store(scratch / "scale-store", "tiny", SIZE)
    with tempfile.TemporaryDirectory(dir=os.environ.get("LINKS")) as folder:  # one in memory, if given
        pictures = drawn(Path(folder, "pictures"))
        few = linked(pictures, Path(folder, "few"), FEW)
        many = linked(pictures, Path(folder, "many"), MANY)
        yield from planned(store, scratch, many)
        yield from classified(store, scratch, few, many)


def planned(store: str, scratch: Path, many: Path) -> Iterator[Measured]:
    output = str(scratch / "planned")
    bare = MANY / seconds_of(lambda: sum(len(files) for _, _, files in os.walk(many)))
    first = MANY / seconds_of(lambda: plan(many, store, output))
    again = MANY / seconds_of(lambda: plan(many, store, output))
    yield Measured(f"list and plan {MANY:,} files, the manifest committed", first, "os.walk", bare, "files/s")
    yield Measured("plan again, nothing new", again, "first time", first, "files/s")


def classified(store: str, scratch: Path, few: Path, many: Path) -> Iterator[Measured]:
    """Classify few files and many, the many once more, and once more without the last step."""
    memory, few_seconds = classify(few, store, scratch / "few")
    peak, seconds = classify(many, store, scratch / "many")
    rate, reached = steady_rate(scratch / "few"), steady_rate(scratch / "many")
    yield Measured(f"classify {MANY:,} files, from start to end", seconds, f"{FEW:,} files", few_seconds, "s")
    yield Measured("its rate while at work", reached, f"{FEW:,} files", rate, "files/s")
    yield Measured("its peak memory, all processes", peak, f"{FEW:,} files", memory, "MB")
    _, finished = classify(many, store, scratch / "many")
    storage.remove(storage.success_url(str(scratch / "many")))
    _, resumed = classify(many, store, scratch / "many")
    yield Measured("go on, all parts there", resumed, "once more, finished", finished, "s")


def plan(images: Path, store: str, output: str) -> Job:
    return plan_job.fn(str(images), output, read_version(store, "champion"), Classification())


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


def classify(images: Path, store: str, output: Path) -> tuple[float, float]:
    """Peak megabytes of all processes of a classification, what they share counted once, and its seconds."""
    command = ["classify", "--images", str(images), "--store", store, "--output", str(output)]
    started, peak = time.perf_counter(), 0
    process = darkroom(command, output.parent / "prefect", api=None)
    while process.poll() is None:
        peak = max(peak, sum(map(memory, [psutil.Process(process.pid), *descendants(process)])))
        time.sleep(1)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=process.stderr.read())
    return peak / 2**20, time.perf_counter() - started


def memory(process: psutil.Process) -> int:
    """Bytes of a process, what it shares counted in part; 0 once it has gone."""
    with suppress(psutil.Error, OSError):
        return process.memory_full_info().pss
    return 0
