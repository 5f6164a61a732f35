"""Pictures unlike the others of a dataset: by size, shape, brightness, sharpness and colour."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LIMIT = 3.5
SHOWN = 5  # examples of each kind

Row = Mapping[str, Any]

# Each: what is measured, what the low end and the high end are called.
KINDS = (
    ("size", "small", "large"),
    ("shape", "tall", "wide"),
    ("brightness", "dark", "bright"),
    ("sharpness", "blurred", "sharp"),
    ("colour", "pale", "colourful"),
)


def find_outliers(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What stands out at either end of each measure: kind, measure, images and the SHOWN farthest examples.

    rows: path, width, height, brightness, sharpness and colourfulness of usable images.
    Ends at which nothing stands out are left out.
    """
    found = []
    for (measure, *ends), values in zip(KINDS, _measures(rows), strict=True):
        scores = modified_z_scores(values)
        for kind, side in zip(ends, (-scores, scores), strict=True):
            order = np.argsort(-side, kind="stable")[: np.count_nonzero(side > LIMIT)]
            examples = [_example(rows[place]) for place in order[:SHOWN]]
            found.append({"kind": kind, "measure": measure, "images": len(order), "examples": examples})
    return [one for one in found if one["images"]]


def modified_z_scores(values: np.ndarray) -> np.ndarray:
    """How far each value stands from the median, float [n]; beyond LIMIT it is an outlier.

    Distances are told in median absolute deviations, so that outliers do not hide one another; in mean ones
    where more than half of the values are the same. Source: Iglewicz and Hoaglin 1993, "How to Detect and
    Handle Outliers", for the rule and its limit of 3.5.
    """
    if not len(values):
        return np.zeros(0)
    distance = values - np.median(values)
    spread = np.median(np.abs(distance)) / 0.6745 or np.mean(np.abs(distance)) * np.sqrt(np.pi / 2)
    return distance / spread if spread else np.zeros(len(values))


def _measures(rows: Sequence[Row]) -> list[np.ndarray]:
    """The five measures, each float [rows]; logarithms where twice as much is as far as half as much."""
    width, height, brightness, sharpness, colour = (
        np.array([row[name] for row in rows], float)
        for name in ("width", "height", "brightness", "sharpness", "colourfulness")
    )
    return [np.log2(width * height) / 2, np.log2(width / height), brightness, np.log2(sharpness + 1), colour]


def _example(row: Row) -> dict[str, Any]:
    names = ("path", "width", "height", "brightness", "sharpness", "colourfulness")
    return {name: round(row[name], 3) if isinstance(row[name], float) else row[name] for name in names}
