"""The kinds of questions, one entry each: what it is called, why it is asked, and how it is found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tasks.review.evidence import Evidence
from tasks.review.labelled import find_conflicts, find_mistakes, find_wrong_labels
from tasks.review.question import Question
from tasks.review.unlabelled import find_random, find_unlike, find_unsure


@dataclass(frozen=True)
class Kind:
    """A reason to ask.

    name: stands in every answer. words: what it is called on the page. why: what an answer is good for.
    share: its part of all questions, against the shares of the others, while there are any. find: yields all
    questions of the kind, whether or not they are answered.
    """

    name: str
    words: str
    why: str
    share: int
    find: Callable[[Evidence], Iterator[Question]]


# Where a picture is worth a question for several reasons, the first kind here has it. So what was drawn at
# random stays a random sample.
KINDS = (
    Kind(
        "conflict",
        "one picture, two labels",
        "At least one of the labels is wrong, and models learn it.",
        4,
        find_conflicts,
    ),
    Kind(
        "wrong_label",
        "label looks wrong",
        "Every wrong label put right makes the next model better.",
        6,
        find_wrong_labels,
    ),
    Kind(
        "mistake",
        "confident mistake on test",
        "Is the label wrong, the model is better than it looks; is it right, this is hard.",
        2,
        find_mistakes,
    ),
    Kind(
        "random",
        "drawn at random",
        "Only those drawn at random tell how right the model is on your images.",
        4,
        partial(find_random, share=0.2),
    ),
    Kind(
        "unlike",
        "unlike all that the model knows",
        "Is it of a class, the model must learn it; is it of none, drop it.",
        1,
        find_unlike,
    ),
    Kind(
        "unsure",
        "the model is not sure",
        "What the model does not know yet, it learns from you.",
        3,
        find_unsure,
    ),
)


def find_questions(evidence: Evidence) -> list[Question]:
    """All questions, kind by kind; no picture is in two of them."""
    questions, contents_asked = [], set[str]()
    for kind in KINDS:
        for question in kind.find(evidence):
            if contents_asked.isdisjoint(question.contents):
                questions.append(question)
                contents_asked |= question.contents
    return questions
