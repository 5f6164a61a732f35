"""Announces to the Prefect server that enough answers are in for another retraining."""

import logging

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

from tasks import events, storage
from tasks.corrections import read_answers
from tasks.storage import Run
from tasks.training import read_run

log = logging.getLogger("darkroom")


def announce_labels(store: str, enough: int) -> int:
    """Emit `darkroom.labelled` when `enough` answers are in since the last retraining began.

    To be called after answers were recorded. It is emitted once for each `enough` of them, however many come
    while the retraining runs; should two processes emit it at once, the second run finds nothing new. Returns
    how many are in: labels and `drop`s that neither a retraining nor an announcement has counted.
    """
    store = storage.absolute(store)
    answers, url = read_answers(store), storage.announced_url(store)
    announced = (storage.json_unless_broken(url) or {}).get("answers", 0)
    counted_before = max(announced, answers_of_last_run(store))
    count = sum(answer.decision in ("label", "drop") for answer in answers[counted_before:])
    if count >= enough and PREFECT_API_URL.value():  # else Prefect would start a server to hear it
        log.info("%s answers since the last retraining", f"{count:,}")
        emit_event(
            event=events.LABELLED,
            resource={
                "prefect.resource.id": f"darkroom.store.{storage.sha256(store.encode())[:16]}",
                "prefect.resource.name": storage.name_of(store),
            },
            payload={"store": store, "answers": count},
        )
        storage.write_record(url, {"answers": len(answers)})
    return count


def answers_of_last_run(store: str) -> int:
    """How many entries the log of answers had when the newest retraining began; 0 before the first."""
    for name in reversed(storage.names(storage.runs_url(store))):
        run = Run(name, store)
        if run.has_begun():
            return int(read_run(run).get("answers", 0))
    return 0
