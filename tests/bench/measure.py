"""How a benchmark measures, and what it reports."""

import time
from collections.abc import Callable
from dataclasses import dataclass

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
