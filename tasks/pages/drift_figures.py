"""Draws drift: what a model is shown now beside what it was judged on, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.pages import style
from tasks.pages.style import REST, VERMILION
from tasks.pages.words import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BINS, MOST_LABELS = 25, 12
LOGARITHMIC = ("sharpness",)


def drift_distributions(
    records: Sequence[Mapping[str, Any]],
    reference: Mapping[str, Any],
    current: Mapping[str, Any],
    edges: Mapping[str, np.ndarray],
) -> Figure:
    """Each feature that drifted: its shares now over those on the test images.

    records: of the features that drifted, as `drift.compare` gives them. reference, current: snapshots as
    `drift.snapshot` gives them. edges: those of the histograms.
    """
    figure = style.blank(8.4, 0.9 + 2.3 * len(records))
    for axes, record in zip(figure.subplots(len(records), squeeze=False)[:, 0], records, strict=True):
        name = record["feature"]
        if name in edges:
            _histograms(axes, np.array(reference[name]), np.array(current[name]), edges[name])
            if name in LOGARITHMIC:
                axes.set_xscale("log")
        else:
            _bars(axes, reference[name], current[name])
        distance = f", KS distance {record['ks']:.2f}" if "ks" in record else ""
        title = f"{name}: stability index {record['psi']:.2f}{distance}"
        axes.set_title(title, loc="left", fontsize=10)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower right", ncols=2, frameon=False
    )
    names = in_words([record["feature"] for record in records])
    return style.finish(figure, f"Drifted since the model was judged: {names}")


def _histograms(axes: Axes, before: np.ndarray, now: np.ndarray, edges: np.ndarray) -> None:
    """Shares of both, over at most MOST_BINS bins. before, now: int [bins]."""
    width = -(-len(before) // MOST_BINS)
    starts = np.arange(0, len(before), width)
    wide_edges = np.append(edges[starts], edges[-1])
    shares = [np.add.reduceat(counts, starts) / counts.sum() for counts in (before, now)]
    axes.stairs(shares[0], wide_edges, fill=True, color=REST, label="test images")
    axes.stairs(shares[1], wide_edges, color=VERMILION, lw=2, label="these images")
    style.label_axes(axes, "", "share of the images", grid="y", shares="y")


def _bars(axes: Axes, before: Mapping[str, int], now: Mapping[str, int]) -> None:
    """Shares of the MOST_LABELS labels whose share changed most. before, now: images by label."""
    sums = sum(before.values()), sum(now.values())
    shares = {name: (before[name] / sums[0], now.get(name, 0) / sums[1]) for name in before}
    names = sorted(shares, key=lambda name: -abs(shares[name][1] - shares[name][0]))[:MOST_LABELS]
    places = np.arange(len(names))
    axes.bar(places - 0.2, [shares[name][0] for name in names], 0.38, color=REST, label="test images")
    axes.bar(places + 0.2, [shares[name][1] for name in names], 0.38, color=VERMILION, label="these images")
    style.label_axes(axes, "", "share of the images", grid="y", shares="y")
    slant: dict[str, Any] = {"rotation": 30, "ha": "right"} if len(names) > 6 else {}
    axes.set_xticks(places, [style.short_name(name, 16) for name in names], **slant)
