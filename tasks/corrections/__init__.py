"""What people answered about images, by content: an append-only log in the store, and what it says now."""

from tasks.corrections.answers import (
    DECISIONS,
    Answer,
    check_answer,
    contents_answered,
    current_corrections,
    standing_decisions,
)
from tasks.corrections.compaction import compact_answers
from tasks.corrections.exchange import (
    LabelRow,
    is_end,
    read_label_records,
    read_label_rows,
    read_records,
    write_label_rows,
)
from tasks.corrections.images import keep_image, labelled_images
from tasks.corrections.log import Answers, corrections_in_force, read_answers, record_answers
from tasks.corrections.tables import from_table, to_table
from tasks.corrections.undo import undo_last

__all__ = [
    "DECISIONS",
    "Answer",
    "Answers",
    "LabelRow",
    "check_answer",
    "compact_answers",
    "contents_answered",
    "corrections_in_force",
    "current_corrections",
    "from_table",
    "is_end",
    "keep_image",
    "labelled_images",
    "read_answers",
    "read_label_records",
    "read_label_rows",
    "read_records",
    "record_answers",
    "standing_decisions",
    "to_table",
    "undo_last",
    "write_label_rows",
]
