"""Where a model does worse: test images cut into quarters by how they look, each held against the rest."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import fisher_exact

from tasks.evaluation.metrics import share_right

QUARTERS = (0.25, 0.5, 0.75)
LEAST = 20  # images; fewer tell nothing
LEVEL = 0.05
ENDS = {
    "brightness": ("darkest", "brightest"),
    "sharpness": ("least sharp", "sharpest"),
    "size": ("smallest", "largest"),
}


def slices(
    looks: Mapping[str, np.ndarray], labels: np.ndarray, right: np.ndarray, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Accuracy in each quarter of the test images by each look, and whether it is worse beyond chance.

    looks: float [images] by name, such as brightness; labels: int [images]; right: bool [images]. Where
    many images look the same, the quarters that they fill are one; fewer than LEAST images are no slice.

    Each slice is held against all other images by Fisher's exact test, one-sided; since so many are tried,
    p values are adjusted over all of them. Sources: Fisher 1935, "The Logic of Inductive Inference"; Holm
    1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    found = []
    for look, values in looks.items():
        place = np.searchsorted(np.unique(np.quantile(values, QUARTERS)), values, side="right")
        used, images = np.unique(place, return_counts=True)
        kept = used[images >= LEAST]
        for number in kept if len(kept) > 1 else ():
            inside = place == number
            found.append(
                {"look": look, "name": name_of(look, number == used[0], number == used[-1])}
                | {"span": span_of(look, values[inside].min(), values[inside].max())}
                | against_rest(inside, right)
                | overrepresented(inside, labels, classes)
            )
    for row, p_value in zip(found, holm([row["p_value"] for row in found]), strict=True):
        row |= {"p_value": p_value, "worse": p_value < LEVEL, "words": in_words(row)}
    return found


def against_rest(inside: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Accuracy of a slice with its interval, that of all others, and the chance of it."""
    table = [[int(right[part].sum()), int((~right[part]).sum())] for part in (inside, ~inside)]
    return {
        **share_right(right[inside]),
        "rest": float(right[~inside].mean()),
        "p_value": float(fisher_exact(table, alternative="less").pvalue),
    }


def overrepresented(inside: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """The class that the slice has most too much of: a hard class may be why it is worse."""
    shares, overall = (
        np.bincount(part, minlength=len(classes)) / len(part) for part in (labels[inside], labels)
    )
    most = int(np.argmax(shares - overall))
    return {"class": classes[most], "class_share": float(shares[most]), "class_overall": float(overall[most])}


def name_of(look: str, lowest: bool, highest: bool) -> str:
    low, high = ENDS[look]
    return low if lowest else high if highest else "between"


def span_of(look: str, lowest: float, highest: float) -> str:
    """From where to where a slice goes: brightness is a share, sizes are pixels of a square as large."""
    low, high = (f"{value:.2f}" if look == "brightness" else f"{value:,.0f}" for value in (lowest, highest))
    return f"{look} {low}" + (f" to {high}" if high != low else "") + (" px" if look == "size" else "")


def in_words(row: Mapping[str, Any]) -> str:
    which = "Images between" if row["name"] == "between" else f"The {row['name']} images"
    return (
        f"{which} ({row['span']}): {100 * row['accuracy']:.1f} % of {row['images']:,} right, "
        f"{100 * row['rest']:.1f} % of the others"
    )


def holm(p_values: list[float]) -> list[float]:
    """p values adjusted for their number, in the order given."""
    values = np.array(p_values)
    order = np.argsort(values, kind="stable")
    adjusted = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)).clip(max=1.0)
    return [float(value) for value in adjusted[np.argsort(order, kind="stable")]]
