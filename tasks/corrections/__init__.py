"""What people answered about images, by content: an append-only log in the store, and what it says now."""

from tasks.corrections.answers import Answer, answered, current_corrections
from tasks.corrections.compaction import compact_answers, corrections_in_force
from tasks.corrections.images import keep_image, labelled_images
from tasks.corrections.log import Answers, read_answers, record_answers
from tasks.corrections.tables import from_table, to_table

__all__ = [
    "Answer",
    "Answers",
    "answered",
    "compact_answers",
    "corrections_in_force",
    "current_corrections",
    "from_table",
    "keep_image",
    "labelled_images",
    "read_answers",
    "record_answers",
    "to_table",
]
