"""One person's answer about one content, and what all answers together say of each content."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat

from tasks import storage
from tasks.errors import InputError

DECISIONS = ("label", "drop", "later", "undo")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person decided about the file whose bytes have the hash `sha256`.

    decision: `label` (it shows the class `label`), `drop` (leave it out), `later` (ask again), or `undo`
    (what `who` put last into the log about this content is taken back, and no answer of anybody else).
    shown: the label its folder gave. suggested, confidence: what a model said. kind: of the question, such as
    wrong_label. run: the run or output it came from; of a random sample, the model version that it measures.
    at: ISO time in UTC. by: who put it into the log where that is not `who`, as an import does.
    """

    sha256: str
    decision: str
    label: str | None
    shown: str | None
    suggested: str | None
    confidence: float | None
    kind: str
    run: str | None
    who: str
    at: str
    by: str | None = None

    @property
    def author(self) -> str:
        """Who put it into the log, and may take it back."""
        return self.by or self.who


def check_answer(answer: Answer) -> None:
    """Raise InputError for an answer that cannot be understood: unknown decision, no hash, no plain class."""
    if answer.decision not in DECISIONS:
        raise InputError(f"A decision must be one of {', '.join(DECISIONS)}. Received: {answer.decision!r}.")
    if not isinstance(answer.sha256, str) or not SHA256.fullmatch(answer.sha256):
        raise InputError(f"An answer's sha256 must be 64 hex digits. Received: {answer.sha256!r}.")
    if answer.decision == "label":
        storage.plain_name(answer.label or "", "A class")
    elif answer.label is not None:
        raise InputError(f"Only `label` names a class. Received {answer.decision!r} with {answer.label!r}.")
    try:
        datetime.fromisoformat(answer.at)
    except (TypeError, ValueError):
        raise InputError(f"An answer's time must be an ISO time. Received: {answer.at!r}.") from None


def current_corrections(answers: Iterable[Answer]) -> dict[str, Answer]:
    """The decision in force on each content, by sha256: the last `label` or `drop` that was not undone.

    Where it confirms the label that the folder gives, it is here too.
    """
    corrections = {}
    for content, decisions in standing_decisions(zip(repeat(""), answers, strict=False)).items():
        in_force = [answer for _, answer in decisions if answer.decision != "later"]
        if in_force:
            corrections[content] = in_force[-1]
    return corrections


def contents_answered(answers: Iterable[Answer]) -> set[str]:
    """The contents, by sha256, that nobody must be asked about again: the last answer was not `later`."""
    standing = standing_decisions(zip(repeat(""), answers, strict=False))
    return {content for content, decisions in standing.items() if decisions[-1][1].decision != "later"}


def standing_decisions(pairs: Iterable[tuple[str, Answer]]) -> dict[str, list[tuple[str, Answer]]]:
    """The decisions on each content that were not undone, oldest first; contents without any are left out.

    pairs: the name of an entry and an answer in it, in the order of the log.
    """
    standing: dict[str, list[tuple[str, Answer]]] = {}
    for entry, answer in pairs:
        on_content = standing.setdefault(answer.sha256, [])
        if answer.decision != "undo":
            on_content.append((entry, answer))
            continue
        theirs = [place for place, (_, earlier) in enumerate(on_content) if earlier.author == answer.who]
        for place in theirs[-1:]:
            del on_content[place]
    return {content: decisions for content, decisions in standing.items() if decisions}
