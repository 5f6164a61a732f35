"""Which questions are asked, and in which order: what most likely changes something first, classes mixed."""

from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from math import sqrt

from tasks.corrections import Answer, contents_answered, standing_decisions
from tasks.review.kinds import KINDS
from tasks.review.question import Question

QUESTIONS = 100  # that are asked at most, if nothing else is said
SECONDS_EACH = 5  # that a person takes for one
LATEST = 50  # answers to a kind by which its turns are judged
SETTLING = ("label", "drop")
TRUSTED = 5  # answers that every kind is taken to have had already, all of which changed something


def choose_questions(
    questions: Sequence[Question], answers: Sequence[Answer], count: int, today: str | None = None
) -> list[Question]:
    """At most `count` questions that nobody has answered, in the order of their expected use.

    Within a kind the most useful comes first, but each further one about a class counts less (`spread`).
    Between kinds each has its turn by its share (see KINDS), which is less where the last answers to it
    changed little (`shares_of_changes`); what one kind lacks the others fill. Questions put off today come
    last; those put off earlier count as new. today: ISO day in UTC.
    """
    today = today or datetime.now(UTC).date().isoformat()
    settled, put_off = contents_answered(answers), contents_put_off(answers, today)
    unsettled = [question for question in questions if not is_settled(question, settled)]
    later = [question for question in unsettled if question.id in put_off]
    now = [question for question in unsettled if question.id not in put_off]
    by_kind = {kind.name: spread([q for q in now if q.kind == kind.name]) for kind in KINDS}
    changes = shares_of_changes(answers)
    shares = {kind.name: kind.share * changes[kind.name] for kind in KINDS}
    return [*take_turns(by_kind, shares), *later][:count]


def is_settled(question: Question, settled: set[str]) -> bool:
    """Whether a question need not be asked any more: its picture was answered, of a conflict all of them."""
    return question.contents <= settled if len(question.labels) > 1 else question.id in settled


def contents_put_off(answers: Sequence[Answer], day: str) -> set[str]:
    """The contents whose standing answer is `later`, given on a day."""
    standing = standing_decisions(("", answer) for answer in answers)
    last = {content: decisions[-1][1] for content, decisions in standing.items()}
    return {
        content for content, answer in last.items() if answer.decision == "later" and answer.at[:10] == day
    }


def spread(questions: Sequence[Question]) -> list[Question]:
    """Questions of one kind by their use, where the n-th about a class counts 1 / sqrt(n) of it.

    So a class with many doubtful images does not keep the others waiting, and one with few is not emptied
    before anything else is asked.
    """
    places: Counter[str] = Counter()
    values = {}
    for question in sorted(questions, key=lambda question: -question.use):
        places[question.about] += 1
        values[question.id] = question.use / sqrt(places[question.about])
    return sorted(questions, key=lambda question: -values[question.id])


def shares_of_changes(answers: Sequence[Answer]) -> dict[str, float]:
    """How many of the LATEST answers to each kind said other than the folder, in (0, 1]; 1 before any is in.

    A label of an image that had none, and a `drop`, say something new. Where labels turn out to be right one
    after the other, other kinds have their turn.
    """
    changes = {kind.name: deque[bool](maxlen=LATEST) for kind in KINDS}
    for answer in answers:
        if answer.kind in changes and answer.decision in SETTLING:
            changes[answer.kind].append(answer.label != answer.shown)
    return {name: (sum(last) + TRUSTED) / (len(last) + TRUSTED) for name, last in changes.items()}


def take_turns(by_kind: dict[str, list[Question]], shares: dict[str, float]) -> list[Question]:
    """The questions of all kinds in one order, each kind as often as its share says while it lasts."""
    turns = [
        (place / shares[name], list(shares).index(name), question)
        for name, questions in by_kind.items()
        for place, question in enumerate(questions)
    ]
    return [question for *_, question in sorted(turns, key=lambda turn: turn[:2])]


def minutes(questions: int) -> int:
    """How long questions take a person, in whole minutes."""
    return max(round(questions * SECONDS_EACH / 60), 1) if questions else 0
