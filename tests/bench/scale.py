"""Bulk classification of a million files: its rate and peak memory beside those of ten thousand."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tests.bench.measure import Measured, steady_rate
from tests.faults.processes import darkroom, descendants
from tests.untrained import untrained_store

COUNTS = (10_000, 100_000, 1_000_000)
SIZE = 96


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    store = untrained_store(scratch / "scale-store", "cnn", SIZE)
    few, *more = COUNTS
    memory, rate = classified(images, store, scratch, few)
    for count in more:
        peak, reached = classified(images, store, scratch, count)
        yield Measured(f"classify, {count:,} files", reached, f"{few:,} files", rate)
        yield Measured(f"its peak memory, {count:,} files", peak, f"{few:,} files", memory, "MB")


def classified(images: Path, store: str, scratch: Path, count: int) -> tuple[float, float]:
    """Peak megabytes of all processes, and rows a second, of classifying `count` links to `images`."""
    folder, output = linked(images, scratch / f"links-{count}", count), scratch / f"rows-{count}"
    peak = peak_megabytes(folder, store, output)
    return peak, steady_rate(output)


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
