"""Challenger and champion on the same test images: by accuracy, or by macro recall."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.evaluation import p_of_worse

MCNEMAR, PERMUTATIONS = "exact McNemar", "paired permutation"  # tests of accuracy, of macro recall
EQUAL = 1e-12  # means of the same shares in another order


@dataclass(frozen=True)
class Duel:
    """What of a comparison decides, by the accuracy or the macro recall of both on the same test images.

    champion, challenger: images right, or shares of the classes found in the mean. p_value: how likely two
    equally good models differ as much; p_of_worse: how likely a challenger no worse stands as low. test: what
    gave them. is_better, is_equal: of the challenger.
    """

    name: str
    champion: float
    challenger: float
    test: str
    p_value: float
    p_of_worse: float
    words: str

    @property
    def is_equal(self) -> bool:
        return abs(self.challenger - self.champion) < EQUAL

    @property
    def is_better(self) -> bool:
        return self.challenger > self.champion and not self.is_equal


def duel_of(comparison: Mapping[str, Any]) -> Duel:
    """By what `compare_by` of the gate said. comparison: as `rules_against_champion` gives it."""
    if comparison.get("by") == "macro_recall":
        recall = comparison["macro_recall"]
        figures = recall["first"], recall["second"], PERMUTATIONS, recall["p_value"], recall["p_of_worse"]
        return Duel("macro recall on the same test images", *figures, recalls_in_words(comparison))
    gained, lost, both = comparison["only_second"], comparison["only_first"], comparison["both_right"]
    figures = both + lost, both + gained, MCNEMAR, comparison["p_value"], p_of_worse(gained, lost)
    return Duel("test images right", *figures, counts_in_words(comparison))


def counts_in_words(comparison: Mapping[str, Any]) -> str:
    """Which of two models gets how many more of the same test images right."""
    gained, lost = comparison["only_second"], comparison["only_first"]
    champion, challenger = (comparison["both_right"] + only for only in (lost, gained))
    difference = (
        f"{'better' if gained > lost else 'worse'} than the champion by {abs(gained - lost):,}"
        if gained != lost
        else "no better than the champion"
    )
    return (
        f"{difference}: of the same {comparison['images']:,} test images"
        f"{left_out_in_words(comparison['left_out'])} it gets "
        f"{challenger:,} right, the champion {champion:,} ({gained:,} gained, {lost:,} lost)"
    )


def recalls_in_words(comparison: Mapping[str, Any]) -> str:
    """Which of two models finds more of the classes in the mean on the same test images, and by how much."""
    recall = comparison["macro_recall"]
    difference = recall["second"] - recall["first"]
    words = (
        "no better than the champion in macro recall"
        if abs(difference) < EQUAL
        else f"{'better' if difference > 0 else 'worse'} than the champion by {100 * abs(difference):.1f} "
        "points of macro recall"
    )
    return (
        f"{words}: of the same {comparison['images']:,} test images"
        f"{left_out_in_words(comparison['left_out'])} it finds {100 * recall['second']:.1f} % in the mean of "
        f"the classes, the champion {100 * recall['first']:.1f} %"
    )


def left_out_in_words(images: int | None) -> str:
    if images is None:
        return " (all: what the champion was trained on is no longer known)"
    return f" ({images:,} more left out: known to the champion from training)" if images else ""
