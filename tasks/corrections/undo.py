"""Takes back what was answered last."""

from dataclasses import replace
from datetime import UTC, datetime

from tasks.corrections.answers import Answer, standing_decisions
from tasks.corrections.log import read_answers, record_answers
from tasks.errors import InputError


def undo_last(store: str, who: str, sha256: str | None = None) -> list[Answer]:
    """Take back the last decision on one content, or the last entry of the log that still stands.

    Returns what was taken back. Raises InputError where there is nothing.
    """
    answers = read_answers(store)
    standing = standing_decisions(zip(answers.entries, answers, strict=True))
    if sha256:
        last = standing.get(sha256, [])[-1:]
    else:
        newest = max((decisions[-1][0] for decisions in standing.values()), default="")
        last = [decisions[-1] for decisions in standing.values() if decisions[-1][0] == newest]
    if not last:
        where = f"about the content {sha256!r}" if sha256 else f"in {store!r}"
        raise InputError(f"There must be an answer to take back. Received none {where}.")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    record_answers(
        store, [replace(answer, decision="undo", label=None, who=who, at=at) for _, answer in last]
    )
    return [answer for _, answer in last]
