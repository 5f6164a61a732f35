"""Draws what lies in a dataset: each function turns data into a Figure whose title says the finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tasks.pages import style, words
from tasks.pages.style import BLUE, FAINT, PALETTE, REST, SPLITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def class_pie(counts: Mapping[str, int]) -> Figure:
    """Show how the images divide among the classes; beyond eight classes the smallest share a slice."""
    figure = style.blank(4.6, 5.4)
    pie, legend = figure.subplots(2, 1, height_ratios=[1.2, 1])
    slices, total = _slices(counts), sum(counts.values())
    colours = [*PALETTE[: len(slices) - 1], REST] if len(slices) < len(counts) else PALETTE[: len(slices)]
    if total:
        least = min(slices.values()) / total
        ring = {"width": 0.4, "edgecolor": "white", "linewidth": 2 if least > 0.02 else 0}
        pie.pie([*slices.values()], colors=colours, startangle=90, counterclock=False, wedgeprops=ring)
        pie.text(0, 0, f"{total:,}\nimages", fontsize=14, ha="center", va="center")
    for axes in (pie, legend):
        axes.set_axis_off()
    squares = [legend.scatter([], [], color=colour, s=90, marker="s") for colour in colours]
    texts = [
        f"{style.short_name(name)}:  {style.images_and_share(images, total)}"
        for name, images in slices.items()
    ]
    legend.legend(squares, texts, loc="upper left", frameon=False, fontsize=10, labelspacing=0.5)
    return style.finish(figure, _balance_in_words(counts))


def split_bars(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Compare the images of each class in the train, validation and test splits."""
    images_of_class, totals = Counter[str](), list[str]()
    for classes in counts.values():
        images_of_class.update(classes)
    is_short = len(images_of_class) <= 12
    figure, axes, names = style.class_axes(images_of_class, inches_each=0.6 if is_short else 0.42)
    height = 0.8 / max(len(counts), 1)
    for row, (split, classes) in enumerate(counts.items()):
        label, colour = SPLITS.get(split, (split, FAINT))
        middles = np.arange(len(names)) + (row + 0.5) * height - 0.4
        values = [classes.get(name, 0) for name in names]
        bars = axes.barh(middles, values, height * 0.9, color=colour, label=label)
        axes.bar_label(
            bars, [f"{value:,}" for value in values], padding=3, fontsize=8.5 if is_short else 7, color=FAINT
        )
        totals.append(f"{sum(classes.values()):,} {label}")
    if counts:
        figure.legend(loc="outside lower right", ncols=3, frameon=False, fontsize=10)
    return style.finish(figure, f"{' · '.join(totals) or 'No'} images")


def mean_grid(means: Mapping[str, np.ndarray]) -> Figure:
    """Show the mean image of each class, uint8 RGB [size, size, 3], of at most 25 of them."""
    names = list(means)[: style.GRID**2]
    return style.sample_grid(np.stack([means[name] for name in names]), names)


def size_histogram(widths: np.ndarray, heights: np.ndarray) -> Figure:
    """Count the original images by shorter side and by shape. widths, heights: pixels, int [images]."""
    from matplotlib.ticker import StrMethodFormatter

    figure = style.blank(8.4, 3.3)
    sides, shapes = figure.subplots(1, 2)
    shorter = np.minimum(widths, heights)
    sides.hist(shorter, bins=_bins(shorter), color=BLUE)
    shapes.hist(widths / heights, bins=_bins(widths / heights), color=BLUE)
    style.label_axes(sides, "shorter side in pixels", "images", grid="y")
    style.label_axes(shapes, "width : height", "", grid="y")
    for axes in (sides, shapes):
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.6)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.minorticks_off()
    pairs, images = np.unique(np.stack([widths, heights], 1), axis=0, return_counts=True)
    width, height = pairs[images.argmax()]
    finding = f"{images.max():,} of {len(widths):,} images are {width:,} x {height:,} pixels"
    others = f"; {words.count(len(pairs) - 1, 'other size')}" if len(pairs) > 1 else ""
    return style.finish(figure, finding + others)


def _bins(values: np.ndarray) -> np.ndarray:
    """Edges of 30 even bins from the lowest to the highest value; of one bin where all values are equal."""
    low, high = float(values.min()), float(values.max())
    return np.linspace(low, high, 31) if high > low else np.array([low * 0.98, high * 1.02])


def _slices(counts: Mapping[str, int]) -> dict[str, int]:
    """Name and images of each slice of the pie; where colours do not last, the smallest classes are one."""
    if len(counts) <= len(PALETTE):
        return dict(counts)
    largest = {name: counts[name] for name in style.largest_classes(counts, len(PALETTE) - 1)}
    return largest | {f"{len(counts) - len(largest):,} others": sum(counts.values()) - sum(largest.values())}


def _balance_in_words(counts: Mapping[str, int]) -> str:
    if not sum(counts.values()):
        return "No images"
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[most] < 2 * counts[least]:
        span = f"{counts[least]:,}" + (f" to {counts[most]:,}" if counts[most] > counts[least] else "")
        return f"{words.count(len(counts), 'class', 'classes')} of {span} images: well balanced"
    larger, smaller = (f"{counts[name]:,} images of {style.short_name(name)}" for name in (most, least))
    return f"Unbalanced: {larger}, {smaller}"
