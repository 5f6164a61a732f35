"""The figures of a run as files beside its report, and small enough for the Prefect UI."""

from matplotlib.figure import Figure

from tasks import storage
from tasks.pages import style
from tasks.training.run import Run

ARTIFACT_DPI = 80
PHOTOS = ("samples.png", "means.png")  # too many bytes for an artifact

Figures = dict[str, Figure]


def write_pictures(run: Run, figures: Figures) -> dict[str, bytes]:
    pictures = {
        name: style.png(figure, style.PHOTOS_DPI) if name.endswith(PHOTOS) else style.png(figure)
        for name, figure in figures.items()
    }
    for name, data in pictures.items():
        storage.write_bytes(run.url(name), data)
    return pictures


def small(figures: Figures) -> dict[str, bytes]:
    """Figures as an artifact can hold them."""
    return {
        name: style.png(figure, ARTIFACT_DPI) for name, figure in figures.items() if not name.endswith(PHOTOS)
    }
