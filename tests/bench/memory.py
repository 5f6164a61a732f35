"""Peak memory of a bulk classification, all its processes together, and of one of ten times the files."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tests.bench.measure import Measured
from tests.faults.processes import darkroom, descendants
from tests.stores import untrained_store

FILES = 8_192
TIMES = 10
SIZE = 96


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    store = untrained_store(scratch / "memory-store", "cnn", SIZE)
    few, many = (
        peak_megabytes(linked(images, scratch / f"links-{count}", count), store, scratch / f"rows-{count}")
        for count in (FILES, FILES * TIMES)
    )
    yield Measured(f"peak memory, {FILES * TIMES:,} files", many, f"{FILES:,} files", few, "MB")


def linked(images: Path, folder: Path, count: int) -> Path:
    """A folder of `count` links to the files of `images`, over and over."""
    files = sorted(path for path in images.rglob("*.jpg"))
    for number in range(count):
        place = folder / f"{number // 1000:04d}" / f"{number:07d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(files[number % len(files)])
    return folder


def peak_megabytes(images: Path, store: str, output: Path) -> float:
    command = ["classify", "--images", str(images), "--store", store, "--output", str(output)]
    process = darkroom(command, output.parent / "prefect", api=None)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(memory, [psutil.Process(process.pid), *descendants(process)])))
        time.sleep(1)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=process.stderr.read())
    return peak / 2**20


def memory(process: psutil.Process) -> int:
    """Bytes of a process, what it shares counted in part; 0 once it has gone."""
    with suppress(psutil.Error, OSError):
        return process.memory_full_info().pss
    return 0
