"""All that happened in a store, for its home page: retrainings, explorations, classifications, decisions."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tasks import storage
from tasks.ahead import map_requests
from tasks.corrections import read_answers, standing_decisions
from tasks.registry import is_promotion_by_run

RETRAINING = "retraining"
EXPLORATION = "exploration"  # the `kind` of a summary that is not of a retraining
CLASSIFICATIONS_SHOWN = 200  # the newest
NOTED = ("root", "output", "model", "images", "ok", "unsure", "bad", "verdict", "finished")

Record = dict[str, Any]


def events_of(
    store: str,
    summaries: Sequence[Record],
    entries: Sequence[Record],
    classifications: Sequence[Record],
    reviews: Sequence[Record],
) -> list[Record]:
    """Each as `kind`, `at` (ISO time), `link` to its report or None, and `record`; the newest first.

    summaries: of runs. entries: the log of promotions, of which those by runs are told by the runs.
    classifications, reviews: as `read_classifications` and `read_reviews` give them.
    """
    runs = [
        event(summary.get("kind", RETRAINING), summary, f"runs/{quote(summary['run'], safe='')}/report.html")
        for summary in summaries
    ]
    decisions = [event("decision", entry | {"finished": entry["at"]}) for entry in entries if by_hand(entry)]
    outputs = [event("classification", record, link_to_output(store, record)) for record in classifications]
    answers = [event("review", record) for record in reviews]
    oldest_first = sorted([*runs, *decisions, *outputs, *answers], key=lambda event: event["at"])
    return oldest_first[::-1]


def event(kind: str, record: Record, link: str | None = None) -> Record:
    at = record.get("finished") or record.get("started") or ""
    return {"kind": kind, "at": at, "link": link, "record": record}


def by_hand(entry: Mapping[str, Any]) -> bool:
    return not is_promotion_by_run(entry)


def read_classifications(store: str) -> list[Record]:
    """The newest classifications by models of the store, oldest first."""
    folder_url = storage.classifications_url(store)
    urls = [storage.join(folder_url, name) for name in storage.names(folder_url)[-CLASSIFICATIONS_SHOWN:]]
    return [record for record in map_requests(storage.json_unless_broken, urls) if record]


def note_output(store: str, summary: Mapping[str, Any]) -> None:
    """Record a finished classification in the store of its model, once. summary: its summary.json."""
    if "finished" not in summary:  # complete since an older Darkroom
        return
    time = datetime.fromisoformat(summary["finished"])
    output = storage.sha256(summary["output"].encode())[:8]
    url = storage.classification_url(store, f"{time:%Y-%m-%dT%H-%M-%S}-{output}")
    if not storage.exists(url):
        record = {name: summary[name] for name in NOTED}
        storage.write_record(url, record | {"expected": expectation_of(summary)})


def expectation_of(summary: Mapping[str, Any]) -> Record | None:
    """How right a classification should be: as `estimate` has it, whether `doubtful`, how many `images`."""
    expected = summary.get("expected") or {}
    if not expected.get("accuracy"):
        return None
    images = sum(summary["labels"].values())
    return {**expected["accuracy"], "doubtful": expected["doubtful"], "images": images}


def read_reviews(store: str) -> list[Record]:
    """What each person answered on each day: `who`, how many `answers`, when the last (`finished`).

    What was undone or put off is no answer. A picture and its copies count one each.
    """
    sittings: dict[tuple[str, str], Record] = {}
    answers = read_answers(store)
    standing = standing_decisions(zip(answers.entries, answers, strict=True))
    decisions = (answer for on_content in standing.values() for _, answer in on_content)
    for answer in sorted(decisions, key=lambda answer: answer.at):
        if answer.decision == "later":
            continue
        record = sittings.setdefault((answer.at[:10], answer.who), {"who": answer.who, "answers": 0})
        record |= {"answers": record["answers"] + 1, "finished": answer.at}
    return list(sittings.values())


def link_to_output(store: str, record: Record) -> str | None:
    """Where a browser that shows the home page finds the report of an output; None if it cannot."""
    report_url = storage.report_url(record["output"])
    if address := storage.address_of(report_url):
        return address
    folder = storage.absolute(store)
    if not (storage.is_local(report_url) and storage.is_local(folder)):
        return None
    return quote(os.path.relpath(report_url, folder))
