"""How every figure looks: colours, fonts, bare axes, the finding as its heading, PNG."""

import textwrap
from io import BytesIO
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

# Okabe & Ito 2008, "Color Universal Design": told apart with any colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#6E6259")
BLUE, ORANGE, VERMILION = PALETTE[0], PALETTE[1], PALETTE[5]
SPLITS = {"train": ("train", BLUE), "val": ("validation", ORANGE), "test": ("test", PALETTE[2])}
INK, FAINT, RULE, REST = "#211C1A", "#6E6660", "#E4DED8", "#C9C1B9"
FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei")

PHOTOS_DPI = 80  # photos are most of a report's bytes

Way = Literal["x", "y"]


def png(figure: Figure, dpi: int = 110) -> bytes:
    """Render a figure to PNG bytes; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def bare(
    axes: Axes, x: str, y: str, grid: Way | None = None, shares: Way | None = None, size: int = 9
) -> None:
    """Label the axes and take away what carries no information. shares: the axis that is in percent."""
    axes.set_xlabel(x, color=FAINT, fontsize=10)
    axes.set_ylabel(y, color=FAINT, fontsize=10)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=size, labelcolor=INK, pad=6)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=RULE, linewidth=0.8)
    if shares:
        axis = axes.xaxis if shares == "x" else axes.yaxis
        axis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")


def count(images: int, total: int) -> str:
    return f"{images:,} ({percent(images / max(total, 1))})"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def label(name: str, width: int = 24) -> str:
    """Shorten a name, and keep its dollar signs from being read as mathematics."""
    return (name if len(name) <= width else name[: width - 1] + "…").replace("$", r"\$")


def finish(figure: Figure, finding: str = "") -> Figure:
    """Head the figure with its finding, and give every text a font that knows its script."""
    if finding:
        width = int(figure.get_figwidth() * 10)
        figure.suptitle(textwrap.fill(finding, width), x=0.01, ha="left", fontsize=12, fontweight="bold")
    installed = {font.name for font in fontManager.ttflist}
    fonts = [name for name in FONTS if name in installed]
    for text in figure.findobj(Text):
        text.set_fontfamily(fonts)
        text.set_color(INK if text.get_color() == "black" else text.get_color())
    return figure
