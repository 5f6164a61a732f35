"""`make bench`: each speed beside its limit or a peer, in the same run.

IMAGES=DIR measures on your own labelled folder instead of the sample dataset, BENCH="training recovery"
only what it names; STUDIES, of what something is worth and not of speeds, are measured only so. WEIGHTS=FILE
is MobileNetV2's where Keras cannot download it.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import (
    auditing,
    balancing,
    decoding,
    fitting,
    memory,
    predicting,
    recovery,
    reviewing,
    scale,
    training,
    unlike,
)
from tests.bench.measure import Measured, draw_whole_sample, tell

BENCHES = {
    "decoding": decoding.bench,
    "auditing": auditing.bench,
    "training": training.bench,
    "memory": memory.bench,
    "predicting": predicting.bench,
    "recovery": recovery.bench,
    "scale": scale.bench,
}
STUDIES = {
    "reviewing": reviewing.bench,
    "fitting": fitting.bench,
    "balancing": balancing.bench,
    "unlike": unlike.bench,
}


def main() -> None:
    table = Table("what", "rate", "of rounds", "limit or peer", "its rate", "of rounds", "ratio", box=None)
    with tempfile.TemporaryDirectory() as folder:
        images = (
            Path(os.environ["IMAGES"])
            if os.environ.get("IMAGES")
            else draw_whole_sample(Path(folder, "images"), 300)
        )
        for name in os.environ.get("BENCH", "").split() or BENCHES:
            started = time.monotonic()
            for row in (BENCHES | STUDIES)[name](images, Path(folder)):
                tell(f"{row.what}: {row.rate:,.1f} {row.unit}; {row.against}: {row.limit:,.1f}")
                add(table, row)
            tell(f"{name}: {time.monotonic() - started:,.0f} s")
    Console(width=180).print(table)


def add(table: Table, row: Measured) -> None:
    table.add_row(
        row.what,
        f"{row.rate:,.1f} {row.unit}",
        spread(row.rates),
        row.against,
        f"{row.limit:,.1f} {row.unit}",
        spread(row.limits),
        f"{row.rate / row.limit:.2f}" if row.limit else "",
    )


def spread(rates: Sequence[float]) -> str:
    return f"{min(rates):,.0f} to {max(rates):,.0f}" if rates else ""


if __name__ == "__main__":  # and not where a bench starts processes
    main()
