"""Takes back what somebody answered last."""

from dataclasses import replace
from datetime import UTC, datetime

from tasks.corrections.answers import Answer, standing_decisions
from tasks.corrections.log import read_answers, record_answers
from tasks.errors import InputError


def undo_last(store: str, me: str, sha256: str | None = None, whose: str | None = None) -> list[Answer]:
    """Take back the last decision of a person on one content, or that person's last entry that still stands.

    whose: the person's name, by default `me`; answers of others stay. What a person imported is that
    person's, whoever the file says decided. Returns what was taken back. Raises InputError where there is
    nothing.
    """
    answers, whose = read_answers(store), whose or me
    standing = standing_decisions(zip(answers.entries, answers, strict=True))
    theirs = {
        content: [(entry, answer) for entry, answer in decisions if answer.author == whose]
        for content, decisions in standing.items()
        if sha256 in (None, content)
    }
    latest = [decisions[-1] for decisions in theirs.values() if decisions]
    newest = max((entry for entry, _ in latest), default="")
    last = [answer for entry, answer in latest if entry == newest]
    if not last:
        where = f"about the content {sha256!r}" if sha256 else f"in {store!r}"
        others = sorted({answer.author for content in theirs for _, answer in standing[content]})
        raise InputError(
            f"There must be an answer of {whose} to take back. Received none {where}"
            + (f", but of {', '.join(others)}: `--who` names whose is taken back." if others else ".")
        )
    at = datetime.now(UTC).isoformat(timespec="seconds")
    by = me if me != whose else None
    record_answers(
        store, [replace(answer, decision="undo", label=None, who=whose, at=at, by=by) for answer in last]
    )
    return last
