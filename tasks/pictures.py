"""The figures of a run as files beside its report, and small enough for the Prefect UI."""

from matplotlib.figure import Figure

from tasks import drawing, storage
from tasks.training import Run

ARTIFACT_DPI = 80
PHOTOS = ("samples.png", "means.png")  # too many bytes for an artifact

Figures = dict[str, Figure]


def write_pictures(run: Run, figures: Figures) -> dict[str, bytes]:
    pictures = {
        name: drawing.png(figure, drawing.PHOTOS_DPI) if name.endswith(PHOTOS) else drawing.png(figure)
        for name, figure in figures.items()
    }
    for name, data in pictures.items():
        storage.write_bytes(run.url(name), data)
    return pictures


def small(figures: Figures) -> dict[str, bytes]:
    """Figures as an artifact can hold them."""
    return {
        name: drawing.png(figure, ARTIFACT_DPI)
        for name, figure in figures.items()
        if not name.endswith(PHOTOS)
    }
