"""Files of a dataset that cannot be used, and why."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.audit.words import count
from tasks.dataset import DROPPED

MOST_BAD = 0.05  # share of the files

Row = Mapping[str, Any]
Audit = Mapping[str, Any]


def find_bad_files(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001
    """`bad`: path, status and reason of each file that cannot be used; `statuses`: files of each status."""
    bad = [
        {"path": row["path"], "status": row["status"], "reason": row["reason"]}
        for row in rows
        if row["status"] not in ("ok", DROPPED)
    ]
    statuses = dict(Counter(row["status"] for row in rows).most_common())
    return {"counts": {"bad": len(bad)}, "statuses": statuses, "bad": bad}


def file_points(audit: Audit) -> Iterator[str]:
    if bad := audit["counts"]["bad"]:
        reasons = [
            f"{files:,} {status}"
            for status, files in audit["statuses"].items()
            if status not in ("ok", DROPPED)
        ]
        yield f"{count(bad, 'file')} cannot be used ({', '.join(reasons)})."


def files_are_bad(audit: Audit) -> bool:
    return audit["counts"]["bad"] > MOST_BAD * audit["counts"]["files"]
