"""Draws what a run found: each function turns data into a Figure whose title says the finding."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from tasks import drawing
from tasks.drawing import BLUE, FAINT, INK, ORANGE, PALETTE, REST, SPLITS, VERMILION

GRID, BARS, CELLS_WITH_TEXT = 5, 24, 25

Row = Mapping[str, float]


def class_pie(counts: Mapping[str, int]) -> Figure:
    """Show how the images divide among the classes; beyond eight classes the smallest share a slice."""
    figure = Figure(figsize=(7.3, 3.7), layout="constrained")
    pie, key = figure.subplots(1, 2, width_ratios=[1, 1.15])
    slices, total = _slices(counts), sum(counts.values())
    colours = [*PALETTE[: len(slices) - 1], REST] if len(slices) < len(counts) else PALETTE[: len(slices)]
    if total:
        ring = {"width": 0.4, "edgecolor": "white", "linewidth": 2}
        pie.pie([*slices.values()], colors=colours, startangle=90, counterclock=False, wedgeprops=ring)
        pie.text(0, 0, f"{total:,}\nimages", fontsize=14, ha="center", va="center")
    for axes in (pie, key):
        axes.set_axis_off()
    squares = [key.scatter([], [], color=colour, s=90, marker="s") for colour in colours]
    texts = [f"{drawing.label(name)}:  {drawing.count(images, total)}" for name, images in slices.items()]
    key.legend(squares, texts, loc="center left", frameon=False, fontsize=11, labelspacing=0.8)
    return drawing.finish(figure, _balance_in_words(counts))


def split_bars(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Compare the images of each class in the train, validation and test splits."""
    everyone, totals = Counter[str](), list[str]()
    for classes in counts.values():
        everyone.update(classes)
    figure, axes, names = _bar_axes(everyone, inches_each=0.6)
    height = 0.8 / max(len(counts), 1)
    for row, (split, classes) in enumerate(counts.items()):
        label, colour = SPLITS.get(split, (split, FAINT))
        places = np.arange(len(names)) + (row + 0.5) * height - 0.4
        values = [classes.get(name, 0) for name in names]
        bars = axes.barh(places, values, height * 0.9, color=colour, label=label)
        axes.bar_label(bars, [f"{value:,}" for value in values], padding=3, fontsize=8.5, color=FAINT)
        totals.append(f"{sum(classes.values()):,} {label}")
    if counts:
        figure.legend(loc="outside lower right", ncols=3, frameon=False, fontsize=10)
    return drawing.finish(figure, f"{' · '.join(totals) or 'No'} images")


def label_bars(counts: Mapping[str, int]) -> Figure:
    """Show how many images got each label."""
    figure, axes, names = _bar_axes(counts, inches_each=0.42)
    total = sum(counts.values())
    values = [counts[name] for name in names]
    bars = axes.barh(range(len(names)), values, 0.7, color=PALETTE if len(names) <= len(PALETTE) else BLUE)
    texts = [drawing.count(value, total) for value in values]
    axes.bar_label(bars, texts, padding=4, fontsize=9, color=FAINT)
    most = max(counts, key=counts.__getitem__, default="")
    finding = f"Most frequent label: {drawing.label(most)}, {drawing.count(counts.get(most, 0), total)}"
    return drawing.finish(figure, finding if total else "No image was labelled")


def sample_grid(images: np.ndarray, titles: Sequence[str]) -> Figure:
    """Lay out pictures like a contact sheet, five in a row.

    images: uint8 RGB [n, size, size, 3], n from 1 to 25. titles: one a picture, of one or two lines.
    """
    if not 1 <= len(images) == len(titles) <= GRID**2:
        given = f"{len(images)} images, {len(titles)} titles"
        raise ValueError(f"A grid holds 1 to {GRID**2} images with a title each. Received: {given}.")
    side, gap, words = 1.22, 0.08, 0.1 + 0.15 * (1 + max(title.count("\n") for title in titles))
    rows = -(-len(images) // GRID)
    width, height = GRID * (side + gap) + gap, rows * (side + words) + gap
    figure = Figure(figsize=(width, height))
    for place, (image, title) in enumerate(zip(images, titles, strict=True)):
        row, column = divmod(place, GRID)
        left, bottom = gap + column * (side + gap), height - (row + 1) * (side + words)
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        axes.imshow(image)
        axes.set_axis_off()
        text = "\n".join(drawing.label(line, 20) for line in title.split("\n"))
        axes.set_title(text, fontsize=8.5, pad=3, loc="left", linespacing=1.15)
    return drawing.finish(figure)


def learning_curves(history: Sequence[Row], kept: int, turned_at: int | None) -> Figure:
    """Follow loss and accuracy over the epochs, on train and validation.

    history: a row an epoch with epoch, loss, accuracy, val_loss, val_accuracy.
    kept: the epoch whose weights are the model's.
    turned_at: the epoch from which the model overfits, shaded to the end; None if it never does.
    """
    figure = Figure(figsize=(8.4, 3.7), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    best = history[kept - 1]
    for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        _curves(axes, history, quantity, best)
        if turned_at is not None:
            axes.axvspan(turned_at - 0.5, history[-1]["epoch"] + 0.5, color=VERMILION, alpha=0.1, lw=0)
    drawing.bare(loss, "epoch", "loss (cross-entropy)", grid="y")
    drawing.bare(accuracy, "epoch", "accuracy", grid="y", shares="y")
    loss.set_ylim(bottom=0)
    accuracy.legend(loc="lower right", frameon=False, fontsize=9)
    finding = f"The weights kept are those of epoch {kept} of {len(history)}"
    return drawing.finish(figure, finding + (f"; overfits from {turned_at} on (shaded)" if turned_at else ""))


def confusion_matrix(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Show which classes are taken for which: colour is the share of the true class, text the images.

    matrix: int [classes, classes], a row a true class. Beyond 25 classes the cells carry no text.
    """
    count = len(classes)
    side = float(np.clip(2.9 + 0.55 * count, 5.2, 10.5))
    figure = Figure(figsize=(side + 0.9, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size, every = (10 if count <= 12 else 7), -(-count // 40)
    for (row, column), images in np.ndenumerate(matrix) if count <= CELLS_WITH_TEXT else ():
        colour = "white" if shares[row, column] > 0.55 else INK if images else REST
        axes.text(column, row, f"{images:,}", ha="center", va="center", fontsize=size, color=colour)
    names = [drawing.label(name, 16) for name in classes][::every]
    axes.set_xticks(range(0, count, every), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(0, count, every), names)
    drawing.bare(axes, "predicted class", "true class", size=size)
    bar = figure.colorbar(picture, ax=axes, shrink=0.7)
    drawing.bare(bar.ax, "", "share of the true class", shares="y", size=8)
    right = drawing.percent(np.trace(matrix) / max(matrix.sum(), 1))
    return drawing.finish(figure, f"{right} of {matrix.sum():,} images right{_worst(matrix, classes)}")


def reliability_diagram(before: Mapping[str, Any], after: Mapping[str, Any]) -> Figure:
    """Compare confidence with accuracy before and after temperature scaling.

    Each mapping holds equally long lists "confidence", "accuracy" and "images", an entry a bin.
    """
    figure, errors = Figure(figsize=(6.2, 5.6), layout="constrained"), []
    curve, load = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    curve.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 4)), label="perfect calibration")
    for bins, name, colour, marker in ((before, "before", ORANGE, "s"), (after, "after", BLUE, "o")):
        curve.plot(bins["confidence"], bins["accuracy"], color=colour, marker=marker, label=name, lw=1.8)
        gaps = np.abs(np.subtract(bins["confidence"], bins["accuracy"]))
        errors.append(drawing.percent(np.average(gaps, weights=bins["images"])))
    load.bar(after["confidence"], after["images"], width=0.03, color=BLUE)
    drawing.bare(curve, "", "share that was right", grid="y", shares="y")
    drawing.bare(load, "confidence of the model", "images", grid="y", shares="x")
    curve.set(xlim=(0, 1.02), ylim=(0, 1.02))
    curve.legend(loc="upper left", frameon=False, fontsize=10)
    finding = "Calibration error {} before scaling, {} after"
    return drawing.finish(figure, finding.format(*errors))


def model_comparison(results: Sequence[tuple[str, float, float, float]]) -> Figure:
    """Set the models side by side, each (name, test accuracy, low, high) with its 95 % interval."""
    figure = Figure(figsize=(7.3, 1.5 + 0.55 * len(results)), layout="constrained")
    axes = figure.subplots()
    for row, (_, accuracy, low, high) in enumerate(results):
        axes.plot([low, high], [row, row], color=BLUE, linewidth=4, alpha=0.4, solid_capstyle="round")
        axes.plot(accuracy, row, marker="o", markersize=9, color=BLUE)
        axes.annotate(
            drawing.percent(accuracy), (accuracy, row), (0, 9), textcoords="offset points", ha="center"
        )
    drawing.bare(axes, "accuracy on the test images, with 95 % interval", "", grid="x", shares="x")
    axes.set_yticks(range(len(results)), [drawing.label(name) for name, *_ in results], fontsize=11)
    axes.set_ylim(len(results) - 0.5, -0.7)
    best = max(results, key=lambda result: result[1])
    return drawing.finish(
        figure, f"{drawing.label(best[0])} leads: right on {drawing.percent(best[1])} of the test images"
    )


def confidence_histogram(counts: np.ndarray) -> Figure:
    """Show how sure the model was over all images. counts: int [bins], equal bins from 0 to 1."""
    figure = Figure(figsize=(7.3, 3.6), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, 1, len(counts) + 1)
    axes.stairs(counts, edges, fill=True, color=BLUE)
    drawing.bare(axes, "confidence in the label given", "images", grid="y", shares="x")
    axes.set_xlim(0, 1)
    if not counts.sum():
        return drawing.finish(figure, "No image was labelled")
    shares = np.cumsum(counts) / counts.sum()
    middle, unsure = edges[np.searchsorted(shares, 0.5)], shares[len(counts) // 2 - 1]
    axes.axvline(middle, color=VERMILION, linewidth=1.4, linestyle=(0, (4, 3)))
    finding = "Half of the labels are at least {} sure; {} are under 50 %"
    return drawing.finish(figure, finding.format(drawing.percent(middle), drawing.percent(unsure)))


def _bar_axes(counts: Mapping[str, int], inches_each: float) -> tuple[Figure, Axes, list[str]]:
    """Prepare a horizontal bar a class, for the classes with the most images if there are many."""
    names = _largest(counts, BARS)
    figure = Figure(figsize=(7.3, 1.3 + inches_each * len(names)), layout="constrained")
    axes = figure.subplots()
    which = "class" if len(counts) <= BARS else f"{BARS} largest of {len(counts)} classes"
    drawing.bare(axes, "images", which, grid="x")
    axes.set_yticks(range(len(names)), [drawing.label(name) for name in names], fontsize=10)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.margins(x=0.2)
    return figure, axes, names


def _curves(axes: Axes, history: Sequence[Row], quantity: str, best: Row) -> None:
    epochs = [row["epoch"] for row in history]
    for key, split, marker in ((quantity, "train", "s"), (f"val_{quantity}", "val", "o")):
        label, colour = SPLITS[split]
        axes.plot(epochs, [row[key] for row in history], color=colour, marker=marker, ms=3.5, label=label)
    where, label = (best["epoch"], best[f"val_{quantity}"]), f"kept epoch ({best['epoch']:.0f})"
    axes.scatter(*where, 90, "white", ec=VERMILION, lw=2, zorder=3, label=label)
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _largest(counts: Mapping[str, int], limit: int) -> list[str]:
    """Name the classes with the most images, still in class order."""
    kept = set(sorted(counts, key=counts.__getitem__, reverse=True)[:limit])
    return [name for name in counts if name in kept]


def _slices(counts: Mapping[str, int]) -> dict[str, int]:
    if len(counts) <= len(PALETTE):
        return dict(counts)
    named = {name: counts[name] for name in _largest(counts, len(PALETTE) - 1)}
    return named | {f"{len(counts) - len(named)} others": sum(counts.values()) - sum(named.values())}


def _balance_in_words(counts: Mapping[str, int]) -> str:
    if not sum(counts.values()):
        return "No images"
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[most] < 2 * counts[least]:
        return f"{len(counts)} classes of {counts[least]:,} to {counts[most]:,} images: well balanced"
    larger, smaller = (f"{counts[name]:,} images of {drawing.label(name)}" for name in (most, least))
    return f"Unbalanced: {larger}, {smaller}"


def _worst(matrix: np.ndarray, classes: Sequence[str]) -> str:
    mistakes = matrix - np.diag(np.diag(matrix))
    if not mistakes.any():
        return ""
    true, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    names = f"{drawing.label(classes[true])} taken for {drawing.label(classes[predicted])}"
    return f"; {names} {mistakes.max():,} times"
