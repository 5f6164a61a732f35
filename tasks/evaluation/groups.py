"""How right a model is in each group of images that the user named, such as a place, day or camera."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.evaluation.metrics import accuracy

WORST = 10


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
