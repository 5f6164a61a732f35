"""Bulk classification of folders: parts that stay what they were, one row a file."""

from tasks.classification.by_hand import import_sorted, tell_moved
from tasks.classification.classify import check_room, classify_partition, room_for
from tasks.classification.file_list import STANDARD_INPUT
from tasks.classification.job import (
    check_options,
    count_finished,
    locate,
    partitions,
    plan_folder,
    plan_job,
)
from tasks.classification.rows import rows_of_output
from tasks.classification.sorting import open_sorting
from tasks.classification.summary import commit_predictions

__all__ = [
    "STANDARD_INPUT",
    "check_options",
    "check_room",
    "classify_partition",
    "commit_predictions",
    "count_finished",
    "import_sorted",
    "locate",
    "open_sorting",
    "partitions",
    "plan_folder",
    "plan_job",
    "room_for",
    "rows_of_output",
    "tell_moved",
]
