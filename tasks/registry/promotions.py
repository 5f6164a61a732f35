"""The log of promotions: who is champion, who was, why, and that racing runs cannot both win."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tasks import storage
from tasks.errors import InputError, JobError


def read_promotions(store: str) -> list[dict[str, Any]]:
    """Every promotion and rollback of a store, in order."""
    folder = storage.promotions_url(store)
    return [storage.read_json(storage.join(folder, name)) for name in storage.names(folder)]


def champion_stack(entries: Sequence[dict[str, Any]]) -> list[str]:
    """Champions still in line, the present one last: a rollback takes the last one off."""
    stack: list[str] = []
    for entry in entries:
        if entry["action"] == "rollback":
            stack.pop()
        else:
            stack.append(entry["version"])
    return stack


def champion(store: str) -> str | None:
    stack = champion_stack(read_promotions(store))
    return stack[-1] if stack else None


def append_promotion(store: str, after: int, action: str, version: str, reason: str) -> bool:
    """Make `version` champion, unless another promotion came after the `after` ones that were read.

    The compare-and-swap is the exclusive creation of the log's next entry: a hard link on local disks, a
    PUT with If-None-Match on S3 (`storage.create_json`). Darkroom reads the log alone; champion.json repeats
    its last entry for other readers, and may be behind by one where a process was killed in between.
    """
    entry = {
        "action": action,
        "version": version,
        "reason": reason,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "id": uuid.uuid4().hex,  # no two racing writers write the same
    }
    url = storage.promotion_url(store, after + 1)
    appended = storage.create_json(url, entry)
    repeat_last(store)
    return appended


def repeat_last(store: str) -> None:
    """Write the last promotion to champion.json, again if another came in meanwhile."""
    url, written = storage.champion_url(store), None
    while (last := read_promotions(store)[-1]) != written:
        storage.write_json(url, last)
        written = last


def roll_back(store: str, reason: str = "") -> str:
    """Make the champion before the present one champion again. Returns its version."""
    entries = read_promotions(store)
    stack = champion_stack(entries)
    if len(stack) < 2:
        raise InputError(
            f"Rollback needs a champion before the present one. Received a store with {len(stack)}."
        )
    why = f"rolled back from {stack[-1]}" + (f": {reason}" if reason else "")
    append_by_hand(store, len(entries), "rollback", stack[-2], why)
    return stack[-2]


def append_by_hand(store: str, after: int, action: str, version: str, reason: str) -> None:
    """Raise JobError where another promotion came in between: a person decides on what they have seen."""
    if not append_promotion(store, after, action, version, reason):
        raise JobError("Another promotion came in between: look at `darkroom models history` and try again.")
