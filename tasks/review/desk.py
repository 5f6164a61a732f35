"""The questions of a store as people answer them: what is asked now, what was answered, by whom."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks import storage
from tasks.corrections import DECISIONS, Answer, keep_image, read_answers, record_answers, standing_decisions
from tasks.dataset import UNREADABLE, ImageError, read_images
from tasks.errors import InputError, JobError
from tasks.review.choice import choose_questions
from tasks.review.evidence import gather_evidence
from tasks.review.kinds import find_questions
from tasks.review.question import Picture, Question
from tasks.storage import FileEntry

MOST_LETTERS = 100  # of a person's name


@dataclass(frozen=True)
class Decision:
    """What a person said to a question: `label` with a class, `drop`, `later`, or `undo` of the last one.

    who: the name that the person gave; None where none was given.
    """

    id: str
    decision: str
    label: str | None = None
    who: str | None = None


class Desk:
    """Where the questions of one store lie and answers are taken, from any number of pages at once.

    Questions are looked for anew when another run or classification has finished; an answer to an earlier
    one, which a page still shows, is taken all the same. All methods may be called from several threads.
    """

    def __init__(self, store: str, output: str | None, count: int):
        self._store, self._output, self._count = storage.absolute(store), output, count
        self._lock = threading.Lock()
        self._newest: tuple[str, str] | None = None
        self._asked: list[Question] = []
        self._questions: dict[str, Question] = {}  # earlier ones too
        self._pictures: dict[str, Picture] = {}
        self.classes: list[str] = []

    def ask(self) -> list[Question]:
        """What is asked now, in order."""
        self._look()
        return choose_questions(self._asked, read_answers(self._store), self._count)

    def question(self, id: str) -> Question | None:
        """A question by its id, or by that of another picture it shows, whether or not it is asked now."""
        self._look()
        return self._questions.get(id) or next(
            (question for question in self._questions.values() if id in question.contents), None
        )

    def content(self, sha256: str) -> bytes:
        """The bytes of a picture that a question shows, by their hash; of no other file.

        Raises KeyError where no question shows it, ImageError where the file has gone or holds other bytes.
        """
        picture = self._pictures[sha256]
        [content] = read_images(picture.folder, [FileEntry(picture.path, 0, "")], self._store)
        if isinstance(content, ImageError):
            raise content
        if storage.sha256(content) != sha256:
            raise ImageError(UNREADABLE, "it holds other bytes than when it was asked about")
        return content

    def decisions(self) -> dict[str, dict[str, str | None]]:
        """The standing answer to each question that has one, by its id: `decision` and `label`."""
        ours = (("", answer) for answer in read_answers(self._store) if answer.sha256 in self._questions)
        last = {id: decisions[-1][1] for id, decisions in standing_decisions(ours).items()}
        return {id: {"decision": answer.decision, "label": answer.label} for id, answer in last.items()}

    def record(self, decisions: Sequence[Decision], who: str) -> dict[str, str]:
        """Record what people said, all in one entry. Returns why some was refused, by the question's id.

        who: where a decision does not say it.
        """
        answers: list[Answer] = []
        refused = {}
        for decision in decisions:
            try:
                new = self._answers_of(decision, decision.who or who)
                answers += self._undone(new, answers) if decision.decision == "undo" else new
            except (InputError, JobError) as error:
                refused[decision.id] = str(error)
        record_answers(self._store, answers)
        return refused

    def _answers_of(self, said: Decision, who: str) -> list[Answer]:
        """An answer for each content that a question shows; labelled images of an inbox are kept.

        Raises InputError for an unknown question or class.
        """
        if (question := self._questions.get(said.id)) is None:
            raise InputError(f"An answer must be to a question that was asked. Received: {said.id!r}.")
        if said.decision == "label" and said.label not in self.classes:
            raise InputError(f"The class must be one of {', '.join(self.classes)}. Received: {said.label!r}.")
        pictures = {picture.sha256: picture for picture in question.pictures}
        if said.decision == "label":
            for picture in pictures.values():
                if picture.label is None:
                    keep_image(self._store, storage.file_url(picture.folder, picture.path), picture.sha256)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return [
            Answer(
                sha256=sha256,
                decision=said.decision,
                label=said.label if said.decision == "label" else None,
                shown=picture.label,
                suggested=picture.predicted or question.suggested,
                confidence=question.confidence,
                kind=question.kind,
                run=question.run,
                who=who,
                at=now,
            )
            for sha256, picture in pictures.items()
        ]

    def _undone(self, undos: Sequence[Answer], unsaved: Sequence[Answer]) -> list[Answer]:
        """Those undos that take back something. Raises InputError where none does: others' answers stay."""
        contents = {undo.sha256: undo for undo in undos}
        answers = [answer for answer in read_answers(self._store) if answer.sha256 in contents]
        standing = standing_decisions(("", answer) for answer in [*answers, *unsaved])
        theirs = [
            undo
            for content, undo in contents.items()
            if any(answer.author == undo.who for _, answer in standing.get(content, ()))
        ]
        if not theirs:
            raise InputError(
                f"Only an own answer is taken back. Received an undo of {undos[0].who}, who has none."
            )
        return theirs

    def _look(self) -> None:
        """Look for questions, unless nothing has finished since that was done."""
        with self._lock:
            evidence = gather_evidence(self._store, self._output, self._count)
            if evidence.key == self._newest:
                return
            self._asked = find_questions(evidence)
            self._questions |= {question.id: question for question in self._asked}
            self._pictures |= {p.sha256: p for question in self._asked for p in question.pictures}
            self.classes, self._newest = evidence.classes, evidence.key


def decision_of(record: Any) -> Decision:
    """A decision as a page sends it. Raises InputError for anything else."""
    if not isinstance(record, Mapping) or not all(
        isinstance(record.get(name), str | None) for name in ("id", "decision", "label", "who")
    ):
        raise InputError(f"An answer must have `id`, `decision` and `label`. Received: {record!r}.")
    if record.get("decision") not in DECISIONS:
        raise InputError(
            f"A decision must be one of {', '.join(DECISIONS)}. Received: {record.get('decision')!r}."
        )
    who = (record.get("who") or "").strip()
    if len(who) > MOST_LETTERS or not who.isprintable():
        raise InputError(f"A name must be plain text of at most {MOST_LETTERS} letters. Received: {who!r}.")
    return Decision(record.get("id") or "", record.get("decision") or "", record.get("label"), who or None)
