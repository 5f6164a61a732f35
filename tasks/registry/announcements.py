"""Announces to the Prefect server that enough answers are in for another retraining."""

import logging
from uuid import UUID

from tasks import events, storage
from tasks.corrections import read_answers
from tasks.display import try_to_show
from tasks.storage import Run
from tasks.training import read_run

log = logging.getLogger("darkroom")


def try_to_announce(store: str, enough: int) -> None:
    """`announce_labels` for who has other work: what a server could not hear the next call announces."""
    try_to_show(lambda: announce_labels(store, enough), "the answers to the Prefect server")


def announce_labels(store: str, enough: int) -> int:
    """Send `darkroom.labelled` when `enough` answers are in since the last retraining began.

    Whoever calls it counts the log, wherever the answers came from. It is sent once for each `enough` of
    them, however many come while the retraining runs: of two processes at once both send the same id, which
    the server heeds once. Returns how many are in: labels and `drop`s that neither a retraining nor an
    announcement has counted. Raises where the server cannot be reached: then the next call announces them.
    """
    store = storage.absolute(store)
    answers, url = read_answers(store), storage.announced_url(store)
    announced = (storage.json_unless_broken(url) or {}).get("answers", 0)
    counted_before = max(announced, answers_of_last_run(store))
    count = sum(answer.decision in ("label", "drop") for answer in answers[counted_before:])
    if count >= enough:
        key = storage.sha256(store.encode())[:16]
        resource = {
            "prefect.resource.id": f"darkroom.store.{key}",
            "prefect.resource.name": storage.name_of(store),
        }
        event_id = UUID(storage.sha256(f"{key} {counted_before}".encode())[:32])
        if events.send_event(events.LABELLED, resource, {"store": store, "answers": count}, event_id):
            log.info("%s answers since the last retraining", f"{count:,}")
            storage.write_record(url, {"answers": len(answers)})
    return count


def answers_of_last_run(store: str) -> int:
    """How many entries the log of answers had when the newest retraining began; 0 before the first."""
    for name in reversed(storage.names(storage.runs_url(store))):
        run = Run(name, store)
        if run.has_begun():
            return int(read_run(run).get("answers", 0))
    return 0
