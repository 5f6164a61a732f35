"""How a benchmark measures, and what it reports."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Self

import cv2
import numpy as np
import pyarrow.parquet as pq
from rich.console import Console

from tasks.sample.draw import AWKWARD_LIST, draw_sample

ROUNDS = 3
SIZE = 150
CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Measured:
    """A rate, and the rate of its limit or of a peer in the same run.

    rates, limits: of the rounds that each is the median of; none where it was measured once.
    """

    what: str
    rate: float
    against: str
    limit: float
    unit: str = "images/s"
    rates: Sequence[float] = ()
    limits: Sequence[float] = ()

    @classmethod
    def of(
        cls, what: str, against: str, rates: Mapping[str, Sequence[float]], unit: str = "images/s"
    ) -> Self:
        """One of some contenders against another, by their medians. rates: as `alternate` gives them."""
        ours, theirs = rates[what], rates[against]
        return cls(what, median(ours), against, median(theirs), unit, ours, theirs)


def draw_whole_sample(images: Path, images_per_class: int) -> Path:
    """The sample dataset without its awkward files, over which the peers stumble."""
    draw_sample(str(images), images_per_class=images_per_class)
    for row in json.loads((images / AWKWARD_LIST).read_text()):
        (images / row["path"]).unlink()
    (images / AWKWARD_LIST).unlink()
    return images


def alternate(contenders: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """The rates of each, measured in turn: a shared machine's speed changes by the minute."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(1, rounds + 1):
        for name, measure in contenders.items():
            started = time.perf_counter()
            rates[name].append(measure())
            seconds = time.perf_counter() - started
            tell(f"round {number} of {rounds}, {seconds:,.1f} s: {name}: {rates[name][-1]:,.0f}")
    return rates


def tell(progress: str) -> None:
    Console(stderr=True, width=180).print(progress, markup=False, highlight=False)


def is_installed(module: str) -> bool:
    """Whether a peer can be measured; told where it cannot."""
    if there := find_spec(module) is not None:
        return there
    tell(f"{module} is left out: it is not installed, and in no lock (`uv pip install {module}`).")
    return there


def rate_of(work: Callable[[], object], images: int) -> float:
    """Images a second."""
    started = time.perf_counter()
    work()
    return images / (time.perf_counter() - started)


def best_rate(work: Callable[[], object], images: int, rounds: int = ROUNDS) -> float:
    """Images a second of the fastest of a few rounds."""
    return max(rate_of(work, images) for _ in range(rounds))


def steady_rate(output: Path) -> float:
    """Rows a second of a bulk classification, from the first quarter of its parts to the last."""
    parts = sorted((part.stat().st_mtime, pq.read_metadata(part).num_rows) for part in output.glob("part-*"))
    first = len(parts) // 4  # all workers are at work by then
    return sum(rows for _, rows in parts[first + 1 :]) / (parts[-1][0] - parts[first][0])


def jpegs_below(images: Path) -> list[str]:
    return sorted(str(path) for path in images.rglob("*.jpg"))


def pixels_of(content: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    return picture if picture.shape[:2] == (SIZE, SIZE) else cv2.resize(picture, (SIZE, SIZE))


def picture_batches(files: Sequence[str], count: int) -> Iterator[np.ndarray]:
    """Files as a peer feeds its network: read and decoded by a thread a core, `count` at a time."""
    with ThreadPoolExecutor(CORES) as pool:
        pixels = pool.map(lambda path: pixels_of(Path(path).read_bytes()), files)
        while batch := list(islice(pixels, count)):
            yield np.stack(batch)
