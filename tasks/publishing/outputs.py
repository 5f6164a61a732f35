"""How right models were expected to be on what they classified, beside what people measured since."""

from collections.abc import Sequence
from typing import Any

from tasks import storage
from tasks.corrections import read_answers
from tasks.evaluation import measured_accuracies

Record = dict[str, Any]


def accuracies_on_folders(store: str, classifications: Sequence[Record]) -> list[Record]:
    """A record for each model and folder it classified, the newest first: `expected` and `measured`.

    classifications: as `read_classifications` gives them. `expected`: of the last one, with the time of the
    first as `since`; None where only answers are left. `measured`: see `measured_accuracies`; None where
    nobody answered.
    """
    measured = {record["model"]: record for record in measured_accuracies(read_answers(store))}
    folders: dict[tuple[str, str], Record] = {}
    for record in classifications:
        if expected := record.get("expected"):
            key, at = (record["model"], record["output"]), record["finished"]
            since = folders[key]["since"] if key in folders else at
            folder = storage.name_of(record["root"])  # not where it lies: that may be inside the store
            folders[key] = expected | {"folder": folder, "at": at, "since": since}
    rows = [
        {"model": model, "expected": expected, "measured": measured.get(model)}
        for (model, _), expected in folders.items()
    ]
    known = {row["model"] for row in rows}
    rows += [
        {"model": model, "expected": None, "measured": record}
        for model, record in measured.items()
        if model not in known
    ]
    return sorted(rows, key=last_time, reverse=True)


def last_time(row: Record) -> str:
    return row["expected"]["at"] if row["expected"] else row["measured"]["until"]
