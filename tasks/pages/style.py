"""How every figure looks: colours, fonts, axes, contact sheets, a heading that says the finding, PNG."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import matplotlib  # noqa: F401 - it reads settings from the working folder: now, while that is the root
import numpy as np

from tasks.pages.words import FINDING, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito 2008, "Color Universal Design": told apart with any colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#6E6259")
BLUE, ORANGE, VERMILION = PALETTE[0], PALETTE[1], PALETTE[5]
SPLITS = {"train": ("train", BLUE), "val": ("validation", ORANGE), "test": ("test", PALETTE[2])}
INK, FAINT, RULE, REST = "#211C1A", "#6E6660", "#E4DED8", "#C9C1B9"
FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei")

GRID, BARS = 5, 24
PHOTOS_DPI = 80  # photos are most of a report's bytes

Direction = Literal["x", "y", "both"]


def blank(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """An empty figure of so many inches. Who draws none is spared the third of a second of that import."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def png(figure: Figure, dpi: int = 110) -> bytes:
    """Render a figure to PNG bytes that carry its finding; the same figure gives the same bytes."""
    buffer = BytesIO()
    finding = " ".join(figure.get_suptitle().split()).replace(r"\$", "$")
    metadata = {"Software": None} | ({FINDING: finding} if finding else {})
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata=metadata)
    return buffer.getvalue()


def label_axes(
    axes: Axes, x: str, y: str, grid: Direction | None = None, shares: Direction | None = None, size: int = 9
) -> None:
    """Label the axes and take away their frame and ticks.

    grid: the axes that have grid lines. shares: those whose numbers are shares, written in percent. size: of
    the numbers, in points.
    """
    axes.set_xlabel(x, color=FAINT, fontsize=10)
    axes.set_ylabel(y, color=FAINT, fontsize=10)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=size, labelcolor=INK, pad=6)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=RULE, linewidth=0.8)
    for direction, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if shares in (direction, "both"):
            axis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")


def class_axes(counts: Mapping[str, int], inches_each: float) -> tuple[Figure, Axes, list[str]]:
    """Figure and axes for a horizontal bar a class, and the classes in order; the BARS smallest of many.

    inches_each: height of a bar with the gap under it.
    """
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    names = smallest_classes(counts, BARS)
    figure = blank(7.3, 1.3 + inches_each * len(names))
    axes = figure.subplots()
    heading = "class" if len(counts) <= BARS else f"{BARS} smallest of {len(counts):,} classes"
    label_axes(axes, "images", heading, grid="x")
    axes.set_yticks(range(len(names)), [short_name(name) for name in names], fontsize=10)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.margins(x=0.2)
    return figure, axes, names


def largest_classes(counts: Mapping[str, int], limit: int) -> list[str]:
    """The `limit` classes with the most images, still in class order."""
    largest = set(sorted(counts, key=counts.__getitem__, reverse=True)[:limit])
    return [name for name in counts if name in largest]


def smallest_classes(counts: Mapping[str, int], limit: int) -> list[str]:
    """The `limit` classes with the fewest images, still in class order."""
    smallest = set(sorted(counts, key=counts.__getitem__)[:limit])
    return [name for name in counts if name in smallest]


def sample_grid(images: np.ndarray, titles: Sequence[str]) -> Figure:
    """Lay out pictures like a contact sheet, five in a row.

    images: uint8 RGB [n, size, size, 3], n from 1 to 25. titles: one a picture, of one or two lines.
    """
    if not 1 <= len(images) == len(titles) <= GRID**2:
        raise ValueError(
            f"A grid holds 1 to {GRID**2} images with a title each. "
            f"Received: {len(images)} images, {len(titles)} titles."
        )
    side, gap, title_height = 1.22, 0.08, 0.1 + 0.15 * (1 + max(title.count("\n") for title in titles))
    rows = -(-len(images) // GRID)
    width, height = GRID * (side + gap) + gap, rows * (side + title_height) + gap
    figure = blank(width, height, layout=None)
    for number, (image, title) in enumerate(zip(images, titles, strict=True)):
        row, column = divmod(number, GRID)
        left, bottom = gap + column * (side + gap), height - (row + 1) * (side + title_height)
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        axes.imshow(image)
        axes.set_axis_off()
        text = "\n".join(short_name(line, 20) for line in title.split("\n"))
        axes.set_title(text, fontsize=8.5, pad=3, loc="left", linespacing=1.15)
    return finish(figure)


def images_and_share(images: int, total: int) -> str:
    """Write a part of all images: "30 (75.0 %)"."""
    return f"{images:,} ({percent(images / max(total, 1))})"


def short_name(name: str, width: int = 24) -> str:
    """Shorten a name, and keep its dollar signs from being read as mathematics."""
    return (name if len(name) <= width else name[: width - 1] + "…").replace("$", r"\$")


def finish(figure: Figure, finding: str = "") -> Figure:
    """Head the figure with its finding, and give every text a font that knows its script."""
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text

    if finding:
        width = int(figure.get_figwidth() * 10)
        figure.suptitle(textwrap.fill(finding, width), x=0.01, ha="left", fontsize=12, fontweight="bold")
    installed = {font.name for font in fontManager.ttflist}
    fonts = [name for name in FONTS if name in installed]
    for text in figure.findobj(Text):
        text.set_fontfamily(fonts)
        text.set_color(INK if text.get_color() == "black" else text.get_color())
    return figure
