"""Draws what models did: each function turns data into a Figure whose title says the finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.pages import style
from tasks.pages.style import BLUE, FAINT, INK, ORANGE, PALETTE, REST, SPLITS, VERMILION
from tasks.pages.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELLS_WITH_SHARE, CELLS_WITH_TEXT = 12, 25
MIN_BIN = 10  # images
WORST = 20  # classes of a confusion matrix that would have too many

Row = Mapping[str, float]


def label_bars(counts: Mapping[str, int]) -> Figure:
    """Show how many images got each label."""
    figure, axes, names = style.class_axes(counts, inches_each=0.42)
    total = sum(counts.values())
    values = [counts[name] for name in names]
    bars = axes.barh(range(len(names)), values, 0.7, color=PALETTE if len(names) <= len(PALETTE) else BLUE)
    texts = [style.images_and_share(value, total) for value in values]
    axes.bar_label(bars, texts, padding=4, fontsize=9, color=FAINT)
    most = max(counts, key=counts.__getitem__, default="")
    finding = (
        f"Most frequent label: {style.short_name(most)}, {style.images_and_share(counts.get(most, 0), total)}"
    )
    return style.finish(figure, finding if total else "No image was labelled")


def learning_curves(history: Sequence[Row], best_epoch: int, turned_at: int | None) -> Figure:
    """Follow loss and accuracy over the epochs, on train and validation.

    history: a row an epoch with epoch, phase, loss, accuracy, val_loss, val_accuracy. Where another phase
    begins, more layers are trained, by other rules: the loss may jump there.
    best_epoch: the epoch whose weights are the model's.
    turned_at: the epoch from which the model overfits, shaded to the end; None if it never does.
    """
    figure = style.blank(8.4, 3.7)
    loss, accuracy = figure.subplots(1, 2)
    best = history[best_epoch - 1]
    for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        _curves(axes, history, quantity, best)
        if turned_at is not None:
            axes.axvspan(turned_at - 0.5, history[-1]["epoch"] + 0.5, color=VERMILION, alpha=0.1, lw=0)
        for epoch in _phase_starts(history):
            axes.axvline(epoch - 0.5, color=FAINT, lw=1, linestyle=(0, (2, 3)))
            top = axes.get_xaxis_transform()
            axes.text(epoch - 0.4, 0.99, "fine-tuning", color=FAINT, fontsize=8, va="top", transform=top)
    style.label_axes(loss, "epoch", "loss (cross-entropy)", grid="y")
    style.label_axes(accuracy, "epoch", "accuracy", grid="y", shares="y")
    loss.set_ylim(bottom=0)
    accuracy.legend(loc="lower right", frameon=False, fontsize=9)
    finding = f"The weights kept are those of epoch {best_epoch} of {len(history)}"
    return style.finish(figure, finding + (f"; overfits from {turned_at} on (shaded)" if turned_at else ""))


def confusion_matrix(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Show which classes are taken for which: images, and their share of the true class, which colours them.

    matrix: int [classes, classes], a row a true class. Beyond 12 classes the cells carry no share; of more
    than 25 only the 20 with most mistakes are shown, and all others as one.
    """
    right = percent(np.trace(matrix) / max(matrix.sum(), 1))
    finding = f"{right} of {matrix.sum():,} images right{_worst_pair(matrix, classes)}"
    if len(classes) > CELLS_WITH_TEXT:
        finding += f"; the {WORST} of {len(classes):,} classes with most mistakes"
        matrix, classes = _worst_classes(matrix, classes)
    count = len(classes)
    side = float(np.clip(2.9 + 0.55 * count, 5.2, 10.5))
    figure = style.blank(side + 0.9, side)
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = 10 if count <= CELLS_WITH_SHARE else 7
    for (row, column), images in np.ndenumerate(matrix):
        colour = "white" if shares[row, column] > 0.55 else INK if images else REST
        has_share = count <= CELLS_WITH_SHARE and shares[row, column] >= 0.005
        share = f"\n{100 * shares[row, column]:.0f} %" if has_share else ""
        axes.text(column, row, f"{images:,}{share}", ha="center", va="center", fontsize=size, color=colour)
    names = [style.short_name(name, 16) for name in classes]
    axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), names)
    style.label_axes(axes, "predicted class", "true class", size=size)
    bar = figure.colorbar(picture, ax=axes, shrink=0.7)
    style.label_axes(bar.ax, "", "share of the true class", shares="y", size=8)
    return style.finish(figure, finding)


def reliability_diagram(before: Mapping[str, Any], after: Mapping[str, Any]) -> Figure:
    """Compare confidence with accuracy before and after temperature scaling.

    Each mapping holds equally long lists "confidence", "accuracy" and "images", an entry a bin. Bins of fewer
    than MIN_BIN images are hollow and no part of the lines: three images can be all right or all wrong.
    """
    figure, errors = style.blank(6.2, 5.6), []
    curve, load = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    curve.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 4)), label="perfect calibration")
    for bins, name, colour, marker in ((before, "before", ORANGE, "s"), (after, "after", BLUE, "o")):
        _reliability_curve(curve, bins, colour, marker, name)
        gaps = np.abs(np.subtract(bins["confidence"], bins["accuracy"]))
        errors.append(percent(np.average(gaps, weights=bins["images"])))
    load.bar(after["confidence"], after["images"], width=0.03, color=BLUE)
    style.label_axes(curve, "", "share that was right", grid="y", shares="y")
    style.label_axes(load, "confidence of the model", "images", grid="y", shares="x")
    curve.set(xlim=(0, 1.02), ylim=(0, 1.02))
    curve.legend(loc="upper left", frameon=False, fontsize=10)
    finding = "Calibration error {} before scaling, {} after"
    return style.finish(figure, finding.format(*errors))


def _reliability_curve(axes: Axes, bins: Mapping[str, Any], colour: str, marker: str, name: str) -> None:
    """A line through the bins with enough images to say something; the others are small and hollow."""
    points = np.array([bins["confidence"], bins["accuracy"]])
    has_enough = np.array(bins["images"]) >= MIN_BIN
    axes.plot(*points[:, has_enough], color=colour, marker=marker, label=name, lw=1.8)
    axes.plot(*points[:, ~has_enough], color=colour, marker=marker, ms=4, mfc="none", lw=0, alpha=0.6)


def class_curves(curves: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the ROC and the precision-recall curve of each class against the rest.

    curves: at most eight classes as `evaluation.curves` gives them.
    """
    figure = style.blank(8.4, 4.6)
    roc, recall = figure.subplots(1, 2)
    for row, colour in zip(curves, PALETTE, strict=False):
        roc.plot(*row["roc"], color=colour, lw=1.8)
        name = f"{style.short_name(row['class'], 16)}  {row['average_precision']:.3f}"
        recall.plot(*row["precision_recall"], color=colour, lw=1.8, label=name)
    roc.set_xscale("symlog", linthresh=0.01, linscale=0.5)
    style.label_axes(roc, "share of the rest taken for the class", "share of the class found", "both", "both")
    style.label_axes(
        recall, "share of the class found (recall)", "share that is right (precision)", "both", "both"
    )
    roc.set(xlim=(0, 1), ylim=(0, 1.02), xticks=(0, 0.01, 0.1, 1))
    recall.set(xlim=(0, 1.01), ylim=(0, 1.02))
    legend_style: dict[str, Any] = {
        "frameon": False,
        "fontsize": 9.5,
        "title_fontsize": 9.5,
        "alignment": "left",
    }
    title = "class and its average precision"
    figure.legend(loc="outside lower left", ncols=4, title=title, **legend_style)
    worst = min(curves, key=lambda row: row["average_precision"])
    finding = f"Hardest to tell from the rest: {style.short_name(worst['class'])}, average precision"
    return style.finish(figure, f"{finding} {worst['average_precision']:.3f}")


def slice_dots(slices: Sequence[Mapping[str, Any]], accuracy: float) -> Figure:
    """Compare the accuracy in each slice of the test images, with its 95 % interval, to that on all of them.

    slices: rows as `evaluation.slices` gives them; those worse beyond chance are diamonds.
    """
    figure = style.blank(7.3, 1.3 + 0.33 * len(slices))
    axes = figure.subplots()
    looks = list(dict.fromkeys(row["look"] for row in slices))
    places = [number + 0.6 * looks.index(row["look"]) for number, row in enumerate(slices)]
    for place, row in zip(places, slices, strict=True):
        colour, marker = (VERMILION, "D") if row["worse"] else (BLUE, "o")
        ends = [row["low"], row["high"]]
        axes.plot(ends, [place, place], color=colour, lw=4, alpha=0.4, solid_capstyle="round")
        axes.plot(row["accuracy"], place, marker=marker, ms=7, color=colour)
    axes.axvline(accuracy, color=FAINT, lw=1, linestyle=(0, (4, 4)))
    style.label_axes(
        axes, "accuracy with 95 % interval (dashed: of all test images)", "", grid="x", shares="x"
    )
    axes.set_yticks(places, [f"{row['span']} ({row['images']:,})" for row in slices])
    axes.set_ylim(places[-1] + 0.6, -0.6)
    worse = sum(row["worse"] for row in slices)
    count = f"{worse} of {len(slices)}" if worse else "none of these"
    return style.finish(figure, f"Worse than elsewhere, beyond chance, in {count} slices")


def model_comparison(results: Sequence[tuple[str, float, float, float]], chosen: str) -> Figure:
    """Compare models by test accuracy, of which validation chose one.

    results: (model, accuracy, low and high end of its 95 % interval).
    """
    figure = style.blank(7.3, 1.5 + 0.55 * len(results))
    axes = figure.subplots()
    for row, (_, accuracy, low, high) in enumerate(results):
        axes.plot([low, high], [row, row], color=BLUE, linewidth=4, alpha=0.4, solid_capstyle="round")
        axes.plot(accuracy, row, marker="o", markersize=9, color=BLUE)
        axes.annotate(percent(accuracy), (accuracy, row), (0, 9), textcoords="offset points", ha="center")
    style.label_axes(axes, "accuracy on the test images, with 95 % interval", "", grid="x", shares="x")
    axes.set_yticks(range(len(results)), [style.short_name(name) for name, *_ in results], fontsize=11)
    axes.set_ylim(len(results) - 0.5, -0.7)
    accuracies = {name: accuracy for name, accuracy, *_ in results}
    best = max(accuracies, key=lambda name: (accuracies[name], name == chosen))
    finding = f"{style.short_name(chosen)}, chosen on validation, is right on {percent(accuracies[chosen])}"
    other = f"; {style.short_name(best)} on {percent(accuracies[best])}, which chose nothing"
    return style.finish(figure, f"{finding} of the test images{other if best != chosen else ''}")


def confidence_histogram(counts: np.ndarray) -> Figure:
    """Show how sure the model was over all images. counts: int [bins], equal bins from 0 to 1."""
    figure = style.blank(7.3, 3.6)
    axes = figure.subplots()
    edges = np.linspace(0, 1, len(counts) + 1)
    axes.stairs(counts, edges, fill=True, color=BLUE)
    style.label_axes(axes, "confidence in the label given", "images", grid="y", shares="x")
    axes.set_xlim(0, 1)
    if not counts.sum():
        return style.finish(figure, "No image was labelled")
    shares = np.cumsum(counts) / counts.sum()
    middle, unsure = edges[np.searchsorted(shares, 0.5)], shares[len(counts) // 2 - 1]
    axes.axvline(middle, color=VERMILION, linewidth=1.4, linestyle=(0, (4, 3)))
    finding = f"Half of the labels are at least {percent(middle)} sure; {percent(unsure)} are under 50 %"
    return style.finish(figure, finding)


def _phase_starts(history: Sequence[Row]) -> list[float]:
    """The epochs that begin another phase than the one before."""
    return [row["epoch"] for before, row in pairwise(history) if row["phase"] != before["phase"]]


def _curves(axes: Axes, history: Sequence[Row], quantity: str, best: Row) -> None:
    """Draw "loss" or "accuracy" over the epochs, and a ring around the epoch `best`."""
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in history]
    for key, split, marker in ((quantity, "train", "s"), (f"val_{quantity}", "val", "o")):
        label, colour = SPLITS[split]
        axes.plot(epochs, [row[key] for row in history], color=colour, marker=marker, ms=3.5, label=label)
    label = f"kept epoch ({best['epoch']:.0f})"
    axes.scatter(
        best["epoch"], best[f"val_{quantity}"], 90, "white", ec=VERMILION, lw=2, zorder=3, label=label
    )
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))


def _worst_classes(matrix: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The matrix of the WORST classes that took part in most mistakes, and of all others as the last one."""
    mistakes = matrix - np.diag(np.diag(matrix))
    worst = np.sort(np.argsort(-(mistakes.sum(0) + mistakes.sum(1)), kind="stable")[:WORST])
    place = np.full(len(classes), WORST)
    place[worst] = np.arange(WORST)
    merged = np.zeros((WORST + 1, WORST + 1), matrix.dtype)
    np.add.at(merged, (place[:, None], place[None, :]), matrix)
    return merged, [*(classes[number] for number in worst), f"{len(classes) - WORST:,} others"]


def _worst_pair(matrix: np.ndarray, classes: Sequence[str]) -> str:
    """The pair of classes that is most often confused, in words; nothing where no image is wrong."""
    mistakes = matrix - np.diag(np.diag(matrix))
    if not mistakes.any():
        return ""
    true, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    names = f"{style.short_name(classes[true])} taken for {style.short_name(classes[predicted])}"
    return f"; {names} {mistakes.max():,} times"
