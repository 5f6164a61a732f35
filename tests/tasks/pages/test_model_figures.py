"""The figures carry the numbers they were given and survive odd data."""

from collections.abc import Mapping

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tasks.pages import model_figures, style


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def finding(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def history(validation_loss: list[float]) -> list[Mapping[str, float]]:
    rows = enumerate(validation_loss, start=1)
    row = {"phase": 0, "accuracy": 0.5, "val_accuracy": 0.4}
    return [row | {"epoch": e, "loss": 1 / e, "val_loss": v} for e, v in rows]


def test_the_confusion_matrix_writes_counts_and_the_worst_pair():
    figure = model_figures.confusion_matrix(np.array([[90, 10], [0, 0]]), ["glacier", "mountain"])
    assert {"90\n90 %", "10\n10 %"} <= set(texts(figure))
    assert finding(figure) == "90.0 % of 100 images right; glacier taken for mountain 10 times"
    style.png(figure)


def test_a_large_confusion_matrix_shows_the_classes_with_most_mistakes_and_the_others_as_one():
    matrix = 100 * np.eye(60, dtype=int)
    matrix[41, 7] = 9
    figure = model_figures.confusion_matrix(matrix, [f"class {i}" for i in range(60)])
    assert {"class 41", "class 7", "40 others", "9"} <= set(texts(figure))
    assert "class 59" not in texts(figure)
    assert finding(figure).endswith(
        "class 41 taken for class 7 9 times; the 20 of 60 classes with most mistakes"
    )


def test_overfitting_is_shaded_from_its_epoch_to_the_last():
    figure = model_figures.learning_curves(history([1.0, 0.5, 0.7, 0.9]), best_epoch=2, turned_at=3)
    shade = figure.axes[0].patches[0]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (2.5, 4.5)
    assert finding(figure) == "The weights kept are those of epoch 2 of 4; overfits from 3 on (shaded)"
    assert (
        not model_figures.learning_curves(history([1.0, 0.5]), best_epoch=2, turned_at=None).axes[0].patches
    )


def test_where_fine_tuning_begins_is_marked():
    rows = [row | {"phase": phase} for row, phase in zip(history([1.0, 0.5, 0.7]), (0, 0, 1), strict=True)]
    loss, accuracy = model_figures.learning_curves(rows, best_epoch=2, turned_at=None).axes
    for axes in (loss, accuracy):
        assert [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2] == [2.5]
    assert "fine-tuning" in [text.get_text() for text in loss.texts]


def test_bins_of_a_few_images_are_no_part_of_the_reliability_curve():
    bins = {"confidence": [0.2, 0.6, 0.9], "accuracy": [0.0, 0.5, 0.9], "images": [3, 20, 80]}
    figure = model_figures.reliability_diagram(bins, bins)
    [_, curve, hollow, *_] = figure.axes[0].lines
    assert (list(curve.get_ydata()), list(hollow.get_ydata())) == ([0.5, 0.9], [0.0])
    assert hollow.get_linewidth() == 0


def test_a_single_epoch_is_no_fraction_of_one():
    loss, _ = model_figures.learning_curves(history([1.0]), best_epoch=1, turned_at=None).axes
    assert [tick % 1 for tick in loss.get_xticks()] == [0.0] * len(loss.get_xticks())


def test_the_reliability_diagram_states_both_calibration_errors():
    before = {"confidence": [0.6, 0.9], "accuracy": [0.5, 0.7], "images": [10, 30]}
    after = {"confidence": [0.5, 0.7], "accuracy": [0.5, 0.7], "images": [10, 30]}
    figure = model_figures.reliability_diagram(before, after)
    assert finding(figure) == "Calibration error 17.5 % before scaling, 0.0 % after"


def test_the_hardest_class_heads_the_curves():
    line = ([0, 0.1, 1], [0, 0.9, 1])
    curves = [
        {"class": name, "roc": line, "precision_recall": line, "average_precision": precision}
        for name, precision in (("forest", 0.99), ("glacier", 0.91))
    ]
    figure = model_figures.class_curves(curves)
    assert finding(figure) == "Hardest to tell from the rest: glacier, average precision 0.910"
    assert [tuple(axes.lines[1].get_ydata()) for axes in figure.axes] == [(0, 0.9, 1)] * 2
    assert style.png(figure)


def test_worse_slices_stand_out():
    row = {"look": "brightness", "span": "brightness 0.10 to 0.30", "images": 9, "accuracy": 0.7}
    rows = [row | {"low": 0.6, "high": 0.8, "worse": worse} for worse in (True, False)]
    figure = model_figures.slice_dots(rows, 0.9)
    assert finding(figure) == "Worse than elsewhere, beyond chance, in 1 of 2 slices"
    markers = [line.get_marker() for line in figure.axes[0].lines]
    assert markers.count("D") == markers.count("o") == 1


def test_the_comparison_shows_the_best_model_and_all_intervals():
    results = [("cnn", 0.84, 0.82, 0.86), ("mobilenet_v2", 0.93, 0.92, 0.94)]
    figure = model_figures.model_comparison(results, "mobilenet_v2")
    assert {"84.0 %", "93.0 %"} <= set(texts(figure))
    words = "mobilenet_v2, chosen on validation, is right on 93.0 % of the test images"
    assert finding(figure) == words
    other = finding(model_figures.model_comparison(results, "cnn"))
    assert other.startswith("cnn, chosen on validation") and "mobilenet_v2 on 93.0 %, which chose" in other
    assert list(figure.axes[0].lines[0].get_xdata()) == [0.82, 0.86]


@pytest.mark.parametrize("n", [1, 7, 25])
def test_the_grid_shows_every_picture_with_its_title(n):
    titles = [f"glacier {i}\nas mountain 97 %" for i in range(n)]
    figure = style.sample_grid(np.zeros((n, 8, 8, 3), np.uint8), titles)
    assert [axes.get_title(loc="left") for axes in figure.axes] == titles


@pytest.mark.parametrize(("images", "titles"), [(0, 0), (26, 26), (2, 1)])
def test_the_grid_refuses_what_does_not_fit(images, titles):
    with pytest.raises(ValueError, match=f"Received: {images} images, {titles} titles"):
        style.sample_grid(np.zeros((images, 8, 8, 3), np.uint8), ["sea"] * titles)


def test_the_histogram_counts_every_image():
    figure = model_figures.confidence_histogram(np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 2]))
    [drawn] = figure.axes[0].patches
    assert drawn.get_data().values.sum() == 4
    assert finding(figure) == "Half of the labels are at least 80.0 % sure; 25.0 % are under 50 %"


@pytest.mark.parametrize("counts", [{}, {"sea": 0}, {r"$\broken{": 3, "<b>&": 1}])
def test_empty_data_and_odd_names_are_drawn(counts):
    assert style.png(model_figures.label_bars(counts))
    assert style.png(model_figures.confidence_histogram(np.zeros(100, int)))
