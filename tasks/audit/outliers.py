"""Pictures unlike the others of a dataset: by size, shape, brightness, sharpness and colour."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LIMIT = 3.5
SHOWN = 5  # examples of each kind

Row = Mapping[str, Any]

# What is measured, and what its low and its high end are called.
MEASURES = (
    ("size", "small", "large"),
    ("shape", "tall", "wide"),
    ("brightness", "dark", "bright"),
    ("sharpness", "blurred", "sharp"),
    ("colour", "pale", "colourful"),
)


def find_outliers(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001
    """`outliers`: what stands out at either end of each measure, with the SHOWN farthest examples.

    rows: path, status, width, height, brightness, sharpness and colourfulness. Ends at which nothing stands
    out are left out.
    """
    usable = [row for row in rows if row["status"] == "ok"]
    outliers = []
    for (measure, *ends), values in zip(MEASURES, measure_looks(usable), strict=True):
        scores = modified_z_scores(values)
        for kind, distances in zip(ends, (-scores, scores), strict=True):
            order = np.argsort(-distances, kind="stable")[: np.count_nonzero(distances > LIMIT)]
            examples = [example(usable[image]) for image in order[:SHOWN]]
            outliers.append({"kind": kind, "measure": measure, "images": len(order), "examples": examples})
    return {"outliers": [outlier for outlier in outliers if outlier["images"]]}


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


def measure_looks(rows: Sequence[Row]) -> list[np.ndarray]:
    """The five measures, each float [rows]; logarithms where twice as much is as far as half as much."""
    width, height, brightness, sharpness, colour = (
        np.array([row[name] for row in rows], float)
        for name in ("width", "height", "brightness", "sharpness", "colourfulness")
    )
    return [np.log2(width * height) / 2, np.log2(width / height), brightness, np.log2(sharpness + 1), colour]


def example(row: Row) -> dict[str, Any]:
    names = ("path", "width", "height", "brightness", "sharpness", "colourfulness")
    return {name: round(row[name], 3) if isinstance(row[name], float) else row[name] for name in names}
