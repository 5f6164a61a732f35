"""What all figures have in common."""

from tasks.pages import data_figures, style


def test_the_same_figure_is_the_same_png():
    counts = {"forest": 3, "sea": 5}
    first, second = style.png(data_figures.class_pie(counts)), style.png(data_figures.class_pie(counts))
    assert first == second
    assert first.startswith(b"\x89PNG")
