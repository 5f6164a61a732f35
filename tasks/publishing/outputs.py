"""What was expected of each classification, kept in the store, beside what people measured since."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tasks import storage
from tasks.corrections import read_answers
from tasks.evaluation import measured_accuracies

MOST_NIGHTS = 400  # of an output

Record = dict[str, Any]


def note_night(store: str, summary: Mapping[str, Any]) -> None:
    """Note in the store what is expected of a classification, unless that was its last note already.

    summary: its summary.json. Nothing is noted where nothing can be expected.
    """
    expected = summary.get("expected") or {}
    if not expected.get("accuracy"):
        return
    url = storage.output_record_url(store, summary["output"])
    nights = (storage.json_unless_broken(url) or {}).get("nights", [])
    night = {
        "model": summary["model"],
        "folder": storage.name_of(summary["root"]),  # not where it lies: that may be inside the store
        "images": sum(summary["labels"].values()),
        **expected["accuracy"],
        "doubtful": expected["doubtful"],
    }
    if not nights or night != {name: nights[-1].get(name) for name in night}:
        night["at"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        storage.write_record(url, {"nights": [*nights, night][-MOST_NIGHTS:]})


def accuracies_on_folders(store: str) -> list[Record]:
    """A record for each model and folder it classified, the newest first: `expected` and `measured`.

    `expected`: the last night's note, and the time of the first as `since`; None where only answers are left.
    `measured`: see `measured_accuracies`; None where nobody answered.
    """
    measured = {record["model"]: record for record in measured_accuracies(read_answers(store))}
    folders: dict[tuple[str, str], Record] = {}
    for name in storage.names(storage.outputs_url(store)):
        notes = storage.json_unless_broken(storage.join(storage.outputs_url(store), name)) or {}
        for night in notes.get("nights", []):
            since = folders.get((night["model"], name), night).get("since", night["at"])
            folders[night["model"], name] = night | {"since": since}
    rows = [
        {"model": model, "expected": night, "measured": measured.get(model)}
        for (model, _), night in folders.items()
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
