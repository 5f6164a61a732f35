"""How much better a model looks on images drawn at random than on groups of images that it never saw."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from tasks.audit.out_of_fold import FOLDS, Beliefs, FeatureReader, out_of_fold
from tasks.audit.words import count

NOWHERE = -1  # the fold of images that are neither learned nor rows


def measure_gap(
    scenes: Sequence[str | None], beliefs: Beliefs, features: FeatureReader
) -> dict[str, Any] | None:
    """Accuracy of a linear head with folds of images at random and of whole groups; None where none is known.

    scenes: the group of each image, None for those in none. beliefs: by random folds, which only keep copies
    together. Both are of the same `images`: outside the test split, in groups, of classes that stand in FOLDS
    `groups` or more; where there are none nothing else is told. `gap` is `at_random` less `grouped`, `low` to
    `high` its 95 % interval.

    Source: Roberts et al. 2017, "Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure".
    """
    is_grouped = np.array([scene is not None for scene in scenes], bool)
    if not is_grouped.any():
        return None
    groups = np.unique([scene or "" for scene in scenes], return_inverse=True)[1]
    candidates = beliefs.is_learned & is_grouped
    pairs = np.unique(np.stack([beliefs.labels, groups])[:, candidates], axis=1)
    groups_of_class = np.bincount(pairs[0], minlength=len(beliefs.names))
    rows = np.flatnonzero(candidates & (groups_of_class >= FOLDS)[beliefs.labels])
    counts: dict[str, Any] = {"images": len(rows), "groups": len(np.unique(groups[rows]))}
    if not len(rows):
        return counts
    folds = deal_groups(groups, beliefs, is_grouped)
    grouped = out_of_fold(features, beliefs.labels, folds, beliefs.is_learned).argmax(1) == beliefs.labels
    at_random, on_groups = beliefs.right[rows], grouped[rows]
    low, high = interval(at_random.astype(float) - on_groups, groups[rows])
    shares = {"at_random": float(at_random.mean()), "grouped": float(on_groups.mean())}
    return counts | shares | {"gap": shares["at_random"] - shares["grouped"], "low": low, "high": high}


def deal_groups(groups: np.ndarray, beliefs: Beliefs, is_grouped: np.ndarray) -> np.ndarray:
    """A fold for each image that is learned, int [images]: groups are dealt whole, other images in turn."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = np.full(len(groups), NOWHERE)
    others = np.flatnonzero(beliefs.is_learned & ~is_grouped)
    folds[others] = np.arange(len(others)) % FOLDS
    images = np.flatnonzero(beliefs.is_learned & is_grouped)
    dealer = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for fold, (_, members) in enumerate(dealer.split(images, beliefs.labels[images], groups[images])):
        folds[images[members]] = fold
    return folds


def interval(differences: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean of images that are drawn in whole groups, since those of one are alike.

    Source: Cochran 1977, "Sampling Techniques", 9A (ratio to size), with Student's t for few groups.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    mean, images = differences.mean(), np.bincount(numbers)
    deviations = np.bincount(numbers, weights=differences) - mean * images
    many = len(images)
    error = np.sqrt(many / (many - 1) * (deviations**2).sum()) / len(differences)
    reach = float(scipy.special.stdtrit(many - 1, 0.975) * error)
    return float(mean) - reach, float(mean) + reach


def gap_words(labels: Mapping[str, Any]) -> Iterator[str]:
    """What labels.json says of the gap of a dataset with groups; nothing where an older Darkroom wrote it."""
    gap = labels.get("gap")
    if gap is None or not gap["images"]:
        too_few = f"it takes classes that stand in {FOLDS} groups or more outside the test split"
        if why := too_few if gap else labels["skipped"]:
            yield f"How much a random test split would flatter a model was not measured: {why}."
        return
    at_random, grouped = (f"{100 * gap[name]:.1f} %" for name in ("at_random", "grouped"))
    points, low, high = (
        f"{100 * gap[name]:.1f}".replace("-", "\N{MINUS SIGN}") for name in ("gap", "low", "high")
    )
    finding = f"a random test split would flatter a model by some {points} points"
    if gap["low"] <= 0:
        finding = "no difference beyond chance" if gap["high"] >= 0 else "other groups even teach more"
    yield (
        f"Of {count(gap['images'], 'image')} in {count(gap['groups'], 'group')} outside the test split the "
        f"simple model that checks labels gets {at_random} right where images are drawn at random, and "
        f"{grouped} where it has learned from other groups only: "
        f"{finding} (95 % interval {low} to {high} points)."
    )
