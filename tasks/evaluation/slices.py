"""Finds where a model does worse: quarters of the test images by how they look, each against all others."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from tasks.evaluation.metrics import accuracy

QUARTERS = (0.25, 0.5, 0.75)
MIN_IMAGES = 20  # of a slice
SIGNIFICANCE = 0.05
END_NAMES = {
    "brightness": ("darkest", "brightest"),
    "sharpness": ("least sharp", "sharpest"),
    "size": ("smallest", "largest"),
}


def slices(
    looks: Mapping[str, np.ndarray], labels: np.ndarray, right: np.ndarray, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Accuracy in each quarter of the test images by each look, and whether it is significantly worse.

    looks: float [images] by name, such as brightness; labels: int [images]; right: bool [images]. Where
    many images look the same, the quarters that they fill are one; fewer than MIN_IMAGES are no slice.

    Each slice is compared with all other images by Fisher's exact test, one-sided; since many slices are
    tried, p-values are adjusted over all of them. Sources: Fisher 1935, "The Logic of Inductive Inference";
    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    rows = []
    for look, values in looks.items():
        quarter_of_image = np.searchsorted(np.unique(np.quantile(values, QUARTERS)), values, side="right")
        quarters, images = np.unique(quarter_of_image, return_counts=True)
        large_quarters = quarters[images >= MIN_IMAGES]
        for quarter in large_quarters if len(large_quarters) > 1 else ():
            in_slice = quarter_of_image == quarter
            rows.append(
                {"look": look, "name": slice_name(look, quarter == quarters[0], quarter == quarters[-1])}
                | {"span": span_in_words(look, values[in_slice].min(), values[in_slice].max())}
                | compare_with_others(in_slice, right)
                | most_overrepresented(in_slice, labels, classes)
            )
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row |= {"p_value": p_value, "worse": p_value < SIGNIFICANCE, "words": in_words(row)}
    return rows


def compare_with_others(in_slice: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Accuracy of a slice with its interval, that of all other images (`rest`), and the test's p-value."""
    groups = right[in_slice], right[~in_slice]
    table = [[int(group.sum()), int((~group).sum())] for group in groups]
    return {
        **accuracy(right[in_slice]),
        "rest": float(right[~in_slice].mean()),
        "p_value": float(scipy.stats.fisher_exact(table, alternative="less").pvalue),
    }


def most_overrepresented(in_slice: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """The class whose share of the slice most exceeds its share of all: a hard one may be the cause."""
    shares, overall = (
        np.bincount(group, minlength=len(classes)) / len(group) for group in (labels[in_slice], labels)
    )
    most = int(np.argmax(shares - overall))
    return {"class": classes[most], "class_share": float(shares[most]), "class_overall": float(overall[most])}


def slice_name(look: str, lowest: bool, highest: bool) -> str:
    low, high = END_NAMES[look]
    return low if lowest else high if highest else "between"


def span_in_words(look: str, lowest: float, highest: float) -> str:
    """The values of a slice, such as `size 120 to 150 px`: the side of a square of the image's area."""
    low, high = (f"{value:.2f}" if look == "brightness" else f"{value:,.0f}" for value in (lowest, highest))
    return f"{look} {low}" + (f" to {high}" if high != low else "") + (" px" if look == "size" else "")


def in_words(row: Mapping[str, Any]) -> str:
    images = "Images between" if row["name"] == "between" else f"The {row['name']} images"
    return (
        f"{images} ({row['span']}): {100 * row['accuracy']:.1f} % of {row['images']:,} right, "
        f"{100 * row['rest']:.1f} % of the others"
    )


def holm(p_values: list[float]) -> list[float]:
    """The p-values adjusted for how many they are, in the order given."""
    values = np.array(p_values)
    order = np.argsort(values, kind="stable")
    adjusted = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)).clip(max=1.0)
    return [float(value) for value in adjusted[np.argsort(order, kind="stable")]]
