"""What all figures have in common."""

from tasks import dataset_plots, drawing


def test_the_same_figure_is_the_same_png():
    counts = {"forest": 3, "sea": 5}
    first, second = drawing.png(dataset_plots.class_pie(counts)), drawing.png(dataset_plots.class_pie(counts))
    assert first == second
    assert first.startswith(b"\x89PNG")
