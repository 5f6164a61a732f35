"""What people answered about images, by content: an append-only log in the store, and what it says now."""

from tasks.corrections.answers import Answer, answered, current_corrections
from tasks.corrections.compaction import compact_answers
from tasks.corrections.log import Answers, read_answers, record_answers

__all__ = [
    "Answer",
    "Answers",
    "answered",
    "compact_answers",
    "current_corrections",
    "read_answers",
    "record_answers",
]
