"""`make bench`: each speed beside its limit or a peer, measured in the same run.

IMAGES=DIR measures on your own labelled folder instead of the sample dataset.
"""

import os
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tasks.sample import draw_sample
from tests.bench import decoding, predicting, training
from tests.bench.measure import Measured

BENCHES = (decoding.bench, training.bench, predicting.bench)


def main() -> None:
    table = Table("what", "rate", "limit or peer", "its rate", "ratio", box=None)
    with tempfile.TemporaryDirectory() as folder:
        images = Path(os.environ.get("IMAGES") or folder, "" if os.environ.get("IMAGES") else "images")
        if not os.environ.get("IMAGES"):
            draw_sample(str(images), images_per_class=300)
        for bench in BENCHES:
            for row in bench(images, Path(folder)):
                add(table, row)
    Console(width=140).print(table)


def add(table: Table, row: Measured) -> None:
    table.add_row(
        row.what,
        f"{row.rate:,.0f} {row.unit}",
        row.against,
        f"{row.limit:,.0f} {row.unit}",
        f"{row.rate / row.limit:.2f}",
    )


main()
