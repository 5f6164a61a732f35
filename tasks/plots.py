"""Draws what models did: each function turns data into a Figure whose title says the finding."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tasks import drawing
from tasks.drawing import BLUE, FAINT, INK, ORANGE, PALETTE, REST, SPLITS, VERMILION

CELLS_WITH_TEXT = 25

Row = Mapping[str, float]


def label_bars(counts: Mapping[str, int]) -> Figure:
    """Show how many images got each label."""
    figure, axes, names = drawing.class_axes(counts, inches_each=0.42)
    total = sum(counts.values())
    values = [counts[name] for name in names]
    bars = axes.barh(range(len(names)), values, 0.7, color=PALETTE if len(names) <= len(PALETTE) else BLUE)
    texts = [drawing.count(value, total) for value in values]
    axes.bar_label(bars, texts, padding=4, fontsize=9, color=FAINT)
    most = max(counts, key=counts.__getitem__, default="")
    finding = f"Most frequent label: {drawing.label(most)}, {drawing.count(counts.get(most, 0), total)}"
    return drawing.finish(figure, finding if total else "No image was labelled")


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


def _curves(axes: Axes, history: Sequence[Row], quantity: str, best: Row) -> None:
    epochs = [row["epoch"] for row in history]
    for key, split, marker in ((quantity, "train", "s"), (f"val_{quantity}", "val", "o")):
        label, colour = SPLITS[split]
        axes.plot(epochs, [row[key] for row in history], color=colour, marker=marker, ms=3.5, label=label)
    where, label = (best["epoch"], best[f"val_{quantity}"]), f"kept epoch ({best['epoch']:.0f})"
    axes.scatter(*where, 90, "white", ec=VERMILION, lw=2, zorder=3, label=label)
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _worst(matrix: np.ndarray, classes: Sequence[str]) -> str:
    mistakes = matrix - np.diag(np.diag(matrix))
    if not mistakes.any():
        return ""
    true, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    names = f"{drawing.label(classes[true])} taken for {drawing.label(classes[predicted])}"
    return f"; {names} {mistakes.max():,} times"
