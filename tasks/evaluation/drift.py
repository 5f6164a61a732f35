"""Drift: whether today's predictions look different from those on the champion's test images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

MAJOR_PSI = 0.25  # Siddiqi 2006, "Credit Risk Scorecards": above it, a major shift
MAJOR_KS = 0.2  # our choice: with many images far smaller distances are significant, and harmless
SIGNIFICANCE = 0.001  # a shift must also be significant, so that few images raise no alarm
EDGES = {
    "confidence": np.linspace(0, 1, 101),
    "brightness": np.linspace(0, 1, 101),
    "sharpness": np.geomspace(1, 100_000, 101),
}
PSI_BINS = 10

Histograms = dict[str, np.ndarray]


def histograms(values: Mapping[str, np.ndarray]) -> Histograms:
    """Counts of each feature in EDGES, int [bins]; values outside count in the first or the last bin."""
    return {
        name: np.histogram(np.clip(values[name], edges[0], edges[-1]), edges)[0]
        for name, edges in EDGES.items()
    }


def snapshot(labels: Mapping[str, int], looks: Histograms) -> dict[str, Any]:
    """What is kept of predictions, as JSON: how many images got each label, and the histograms."""
    return {"labels": dict(labels), **{name: counts.tolist() for name, counts in looks.items()}}


def compare(reference: Mapping[str, Any], current: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One record a feature, as `feature_drift` gives it, of two snapshots; empty if either has no image."""
    classes = sorted(reference["labels"])
    before, now = ([side["labels"].get(name, 0) for name in classes] for side in (reference, current))
    records = [feature_drift("labels", before, now)]
    records += [feature_drift(name, reference[name], current[name], ordered=True) for name in EDGES]
    return [record for record in records if record]


def feature_drift(
    name: str, reference: Sequence[int], current: Sequence[int], ordered: bool = False
) -> dict[str, Any] | None:
    """How far a feature's counts have moved, and whether that is drift: large and significant.

    ordered: the counts are a histogram, not categories. Then the population stability index is taken over
    tenths of `reference`, and the Kolmogorov-Smirnov distance can show drift as well.
    None where either side has no image.
    """
    before, now = np.asarray(reference, float), np.asarray(current, float)
    if not min(before.sum(), now.sum()):
        return None
    psi_counts = merge_into_tenths(before, now) if ordered else (before, now)
    psi, p_value = population_stability_index(*psi_counts)
    drifted = psi > MAJOR_PSI and p_value < SIGNIFICANCE
    record = {"feature": name, "psi": psi, "psi_p": p_value}
    if ordered:
        distance, p_value = kolmogorov_smirnov(before, now)
        record |= {"ks": distance, "ks_p": p_value}
        drifted = drifted or (distance > MAJOR_KS and p_value < SIGNIFICANCE)
    return record | {"drifted": bool(drifted)}


def merge_into_tenths(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both histograms over at most PSI_BINS groups of bins that hold about as many of `before` each."""
    images_below = np.cumsum(before) - before / 2
    group = np.minimum((images_below / before.sum() * PSI_BINS).astype(int), PSI_BINS - 1)
    return np.bincount(group, before, PSI_BINS), np.bincount(group, now, PSI_BINS)


def population_stability_index(before: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    """The index of two arrays of counts, and its p-value: how likely chance alone makes it as large.

    Half an image is added to each count, so that none is 0. Without a shift the index is about (1/n + 1/m)
    times a chi-square variable of bins - 1 degrees of freedom, for n and m images. Source: Yurdakul 2018,
    "Statistical Properties of Population Stability Index".
    """
    first, second = (before + 0.5) / (before + 0.5).sum(), (now + 0.5) / (now + 0.5).sum()
    index = float(np.sum((second - first) * np.log(second / first)))
    scale = 1 / before.sum() + 1 / now.sum()
    return index, float(scipy.special.chdtrc(max(1, len(before) - 1), index / scale))


def kolmogorov_smirnov(before: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    """Largest distance of two cumulative histograms, 0 to 1, and its p-value.

    Source: Smirnov 1948, "Table for Estimating the Goodness of Fit"; conservative for binned values.
    """
    n, m = before.sum(), now.sum()
    distance = float(np.abs(np.cumsum(before) / n - np.cumsum(now) / m).max())
    return distance, float(scipy.special.kolmogorov(distance * np.sqrt(n * m / (n + m))))
