"""Whether a dataset is sound, in words: the verdict of its audit, and what to see to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tasks.audit.checks import CHECKS

Grade = Literal["sound", "but", "not"]

TITLES: dict[Grade, str] = {
    "not": "Not sound yet",
    "but": "Sound, but see to this",
    "sound": "The data is sound",
}


@dataclass(frozen=True)
class Soundness:
    """The verdict on a dataset; `points` are sentences, one for each thing to see to."""

    grade: Grade
    points: tuple[str, ...]

    @property
    def title(self) -> str:
        return TITLES[self.grade]


def soundness(audit: Mapping[str, Any]) -> Soundness:
    """The verdict on a dataset by its audit, with what was found of its labels."""
    points = tuple(point for check in CHECKS for point in check.points(audit))
    serious = any(check.serious(audit) for check in CHECKS)
    return Soundness("not" if serious else "but" if points else "sound", points)
