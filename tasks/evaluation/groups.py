"""How right a model is in each group of images that the user named, such as a place, and over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.evaluation.metrics import accuracy

WORST = 10
SPANS = 12  # of time, at most
SPAN_IMAGES = 20  # of each at least, where more than two spans would have fewer


def worst_groups(scenes: Sequence[str | None], right: np.ndarray) -> list[dict[str, Any]]:
    """Accuracy with its interval in the WORST groups of the test images, the worst first.

    scenes: the group of each image, None for those in none. right: bool [images]. The groups are in the order
    of the upper ends of their intervals, so that one mistake in a group of two does not come first.
    """
    members: dict[str, list[int]] = {}
    for number, scene in enumerate(scenes):
        if scene is not None:
            members.setdefault(scene, []).append(number)
    rows = [{"name": name, **accuracy(right[numbers])} for name, numbers in members.items()]
    return sorted(rows, key=lambda row: (row["high"], row["name"]))[:WORST]


def spans_of_time(times: Sequence[str | None], right: np.ndarray) -> list[dict[str, Any]]:
    """Accuracy with its interval in up to SPANS spans of time, the earliest first; none where no days differ.

    times: ISO text of each image, None where it is not known; right: bool [images]. A span is of whole days,
    `first` to `last`, as a camera's or a person's clock has them, or in UTC where a file of labels states
    a time zone; it has about as many images as the others.
    """
    rows = [number for number, time in enumerate(times) if time]
    days, day_of_row, images = np.unique(
        [str(times[row])[:10] for row in rows], return_inverse=True, return_counts=True
    )
    if len(days) < 2:
        return []
    count = min(SPANS, len(days), max(2, len(rows) // SPAN_IMAGES))
    middles = (np.cumsum(images) - images / 2) / len(rows)
    span_of_day = np.arange(len(days)) if count == len(days) else (middles * count).astype(int)
    right_of_row, span_of_row = right[rows], span_of_day[day_of_row]
    return [
        {"first": str(days[span_of_day == span][0]), "last": str(days[span_of_day == span][-1])}
        | accuracy(right_of_row[span_of_row == span])
        for span in np.unique(span_of_day)
    ]
