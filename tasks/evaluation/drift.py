"""Today's predictions against the champion's test images: has what comes in changed?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import kolmogorov
from scipy.stats import chi2

MAJOR_PSI = 0.25  # Siddiqi 2006, "Credit Risk Scorecards": above it, a major shift
MAJOR_KS = 0.2  # our choice: with many images far smaller distances are beyond chance, and harmless
LEVEL = 0.001  # and it must be beyond chance, however few images there are
EDGES = {
    "confidence": np.linspace(0, 1, 101),
    "brightness": np.linspace(0, 1, 101),
    "sharpness": np.geomspace(1, 100_000, 101),
}
PSI_BINS = 10

Histograms = dict[str, np.ndarray]


def histograms(values: Mapping[str, np.ndarray]) -> Histograms:
    """Counts of each feature in EDGES, int [bins]; what lies outside counts for the outermost bins."""
    return {
        name: np.histogram(np.clip(values[name], edges[0], edges[-1]), edges)[0]
        for name, edges in EDGES.items()
    }


def reference(labels: Mapping[str, int], looks: Histograms) -> dict[str, Any]:
    """What is kept with a model: how many images got each label, and the histograms, as JSON."""
    return {"labels": dict(labels), **{name: counts.tolist() for name, counts in looks.items()}}


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One record a feature, both sides as `reference` gives them; nothing where either has no image."""
    classes = sorted(before["labels"])
    first, second = ([side["labels"].get(name, 0) for name in classes] for side in (before, now))
    found = [judge("labels", first, second)]
    found += [judge(name, before[name], now[name], ordered=True) for name in EDGES]
    return [record for record in found if record]


def judge(
    name: str, before: Sequence[int], now: Sequence[int], ordered: bool = False
) -> dict[str, Any] | None:
    """How far a feature's counts have moved, and whether that is drift: large and beyond chance.

    ordered: the counts are a histogram; its population stability index is taken over tenths of `before`,
    and the Kolmogorov-Smirnov distance decides too.
    """
    first, second = np.asarray(before, float), np.asarray(now, float)
    images = min(first.sum(), second.sum())
    if not images:
        return None
    coarse = tenths(first, second) if ordered else (first, second)
    psi, likely = population_stability_index(*coarse)
    drifted = psi > MAJOR_PSI and likely < LEVEL
    record = {"feature": name, "psi": psi, "psi_p": likely}
    if ordered:
        distance, likely = kolmogorov_smirnov(first, second)
        record |= {"ks": distance, "ks_p": likely}
        drifted = drifted or (distance > MAJOR_KS and likely < LEVEL)
    return record | {"drifted": bool(drifted)}


def tenths(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both histograms over at most PSI_BINS groups of bins that hold about as many of `before` each."""
    place = np.cumsum(before) - before / 2
    group = np.minimum((place / before.sum() * PSI_BINS).astype(int), PSI_BINS - 1)
    return np.bincount(group, before, PSI_BINS), np.bincount(group, now, PSI_BINS)


def population_stability_index(before: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    """The index of two counts, half an image added to each, and how likely chance makes it as large.

    Without a shift it is about (1/n + 1/m) times a chi-square of bins - 1 degrees. Source: Yurdakul 2018,
    "Statistical Properties of Population Stability Index".
    """
    first, second = (before + 0.5) / (before + 0.5).sum(), (now + 0.5) / (now + 0.5).sum()
    index = float(np.sum((second - first) * np.log(second / first)))
    scale = 1 / before.sum() + 1 / now.sum()
    return index, float(chi2.sf(index / scale, max(1, len(before) - 1)))


def kolmogorov_smirnov(before: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    """Largest distance of two cumulative histograms, and how likely chance makes it as large.

    Source: Smirnov 1948, "Table for Estimating the Goodness of Fit"; conservative for binned values.
    """
    n, m = before.sum(), now.sum()
    distance = float(np.abs(np.cumsum(before) / n - np.cumsum(now) / m).max())
    return distance, float(kolmogorov(distance * np.sqrt(n * m / (n + m))))
