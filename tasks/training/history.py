"""The losses and accuracies of every epoch, as CSV."""

import csv
import io

from tasks import storage


def write_history(url: str, history: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]))
    writer.writeheader()
    writer.writerows(history)
    storage.patiently(lambda: storage.write_bytes(url, text.getvalue().encode()))


def read_history(url: str) -> list[dict[str, float]]:
    rows = csv.DictReader(storage.read_bytes(url, storage.MOST_JSON).decode().splitlines())
    return [{name: float(value) for name, value in row.items()} for row in rows]
