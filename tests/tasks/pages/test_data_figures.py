"""The figures of a dataset carry the numbers they were given and survive odd data."""

import numpy as np
import pytest

from tasks.pages import data_figures, style
from tests.tasks.pages.test_model_figures import finding, texts


def test_the_pie_names_every_class_until_there_are_too_many():
    few = texts(data_figures.class_pie({"forest": 30, "sea": 10}))
    assert "forest:  30 (75.0 %)" in few
    many = texts(data_figures.class_pie({f"class {i}": i + 1 for i in range(20)}))
    assert any(text.startswith("13 others:  91") for text in many)


def test_split_bars_are_as_long_as_the_counts():
    figure = data_figures.split_bars({"train": {"forest": 8, "sea": 6}, "test": {"forest": 2}})
    assert [bar.get_width() for bar in figure.axes[0].patches] == [8, 6, 2, 0]
    assert finding(figure) == "14 train · 2 test images"


def test_the_size_histograms_count_every_image_and_name_the_commonest_size():
    figure = data_figures.size_histogram(np.array([150, 150, 300]), np.array([150, 150, 100]))
    assert [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes] == [3, 3]
    assert finding(figure) == "2 of 3 images are 150 x 150 pixels; 1 other size"
    style.png(data_figures.size_histogram(np.array([9]), np.array([9])))


@pytest.mark.parametrize("counts", [{}, {"sea": 0}, {r"$\broken{": 3, "<b>&": 1}])
def test_empty_data_and_odd_names_are_drawn(counts):
    for figure in (data_figures.class_pie(counts), data_figures.split_bars({"train": counts})):
        assert style.png(figure)
