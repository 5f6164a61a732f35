"""Questions worth a minute: which images a person should look at, in which order, why, and the answers."""

from tasks.review.choice import QUESTIONS, choose_questions, minutes
from tasks.review.desk import Decision, Desk, decision_of
from tasks.review.evidence import Evidence, gather_evidence
from tasks.review.kinds import KINDS, find_questions
from tasks.review.question import Picture, Question

__all__ = [
    "KINDS",
    "QUESTIONS",
    "Decision",
    "Desk",
    "Evidence",
    "Picture",
    "Question",
    "choose_questions",
    "decision_of",
    "find_questions",
    "gather_evidence",
    "minutes",
]
