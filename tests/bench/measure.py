"""How a benchmark measures, and what it reports."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

ROUNDS = 3


@dataclass(frozen=True)
class Measured:
    """A rate, and the rate of its limit or of a peer in the same run."""

    what: str
    rate: float
    against: str
    limit: float
    unit: str = "images/s"


def best_rate(work: Callable[[], object], images: int, rounds: int = ROUNDS) -> float:
    """Images a second of the fastest of a few rounds."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return images / min(seconds)


def steady_rate(output: Path) -> float:
    """Rows a second of a bulk classification, from the first quarter of its parts to the last."""
    parts = sorted((part.stat().st_mtime, pq.read_metadata(part).num_rows) for part in output.glob("part-*"))
    first = len(parts) // 4  # all workers are at work by then
    return sum(rows for _, rows in parts[first + 1 :]) / (parts[-1][0] - parts[first][0])
