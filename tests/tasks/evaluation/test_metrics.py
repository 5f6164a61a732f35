"""Metrics against scikit-learn or a case worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import classification_report, roc_auc_score

from tasks.evaluation.metrics import (
    accuracy,
    average_scores,
    compare,
    compute_metrics,
    confused_pairs,
    describe_learning,
    list_mistakes,
    top2,
)
from tests.tasks.evaluation.draws import predictions


def test_wilson_interval_of_a_known_case():
    interval = accuracy(np.array([False] * 2 + [True] * 8))
    assert interval["accuracy"] == 0.8
    assert (interval["low"], interval["high"]) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@pytest.mark.parametrize(("classes", "share"), [(3, 0.5), (2, None)])
def test_the_right_class_among_the_first_two_is_told_of_more_than_two_classes(
    classes: int, share: float | None
):
    probabilities = np.array([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]])[:, :classes]
    assert top2(np.array([1, 0]), probabilities) == share


def test_exact_mcnemar_of_a_known_case():
    first = np.array([True] * 10 + [False] * 2 + [True] * 5)
    second = np.array([False] * 10 + [True] * 2 + [True] * 5)
    comparison = compare(first, second)
    counts = [comparison[name] for name in ("only_first", "only_second", "both_right", "neither")]
    assert counts == [10, 2, 5, 0]
    assert comparison["p_value"] == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert compare(first, first)["p_value"] == 1.0


def test_confused_pairs_and_mistakes_name_the_worst_first():
    table = np.array([[8, 2, 0], [5, 4, 1], [0, 0, 9]])
    pairs = confused_pairs(table, ["a", "b", "c"])
    assert [(pair["true"], pair["predicted"], pair["images"]) for pair in pairs] == [
        ("b", "a", 5),
        ("a", "b", 2),
        ("b", "c", 1),
    ]
    assert pairs[0]["words"] == "b is taken for a in 50.0 % of its images (5)"
    probabilities = np.array([[0.6, 0.4], [0.99, 0.01], [0.2, 0.8]])
    mistakes = list_mistakes(["x", "y", "z"], np.array([1, 1, 1]), probabilities, ["a", "b"])
    assert [row["path"] for row in mistakes] == ["y", "x"]


def history(*losses: tuple[float, float], tuned_from: int = 99) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "phase": 1 + (epoch >= tuned_from),
            "loss": loss,
            "val_loss": val,
            "accuracy": 0.9,
            "val_accuracy": 0.8,
        }
        for epoch, (loss, val) in enumerate(losses, 1)
    ]


def test_overfitting_is_named_where_validation_turned():
    facts = describe_learning(history((1.0, 1.0), (0.6, 0.7), (0.3, 0.8), (0.1, 1.2)), 2)
    assert (facts["best_epoch"], facts["turned_at"]) == (2, 3)
    assert "from epoch 3" in facts["verdict"]
    assert describe_learning(history((1.0, 1.0), (0.6, 0.7), (0.5, 0.7)), 2)["turned_at"] is None
    mixed_later = history((1.0, 1.0), (0.6, 0.7), (0.9, 0.8), (0.7, 1.2), tuned_from=3)
    assert describe_learning(mixed_later, 2)["turned_at"] == 3


def test_averages_over_the_classes_are_scikit_learns():
    labels, probabilities = predictions()
    metrics = compute_metrics("abcd", labels, probabilities, labels, probabilities)
    expected = classification_report(labels, probabilities.argmax(1), output_dict=True)
    for average in ("macro", "weighted"):
        for our_name, their_name in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert metrics["test"][f"{average}_{our_name}"] == pytest.approx(
                expected[f"{average} avg"][their_name]
            )
    probabilities /= probabilities.sum(1, keepdims=True)
    area = roc_auc_score(labels, probabilities.astype(float), multi_class="ovr")
    assert metrics["test"]["roc_auc"] == pytest.approx(area, abs=1e-6)


def test_a_class_without_test_images_is_no_part_of_the_averages_though_it_was_predicted():
    scores = average_scores(np.array([0, 0, 1, 1, 1, 1]), np.array([0, 2, 1, 1, 1, 1]))
    assert scores == pytest.approx(
        {
            "macro_precision": 1.0,
            "macro_recall": (1 / 2 + 1) / 2,
            "macro_f1": (2 / 3 + 1) / 2,
            "weighted_precision": 1.0,
            "weighted_recall": 5 / 6,
            "weighted_f1": (2 * 2 / 3 + 4 * 1) / 6,
        }
    )


def test_judging_copes_with_a_class_that_test_lacks():
    labels, probabilities = predictions(classes=3)
    has_class = labels < 2
    metrics = compute_metrics(
        ["a", "b", "c"], labels, probabilities, labels[has_class], probabilities[has_class]
    )
    assert metrics["test"]["roc_auc"] is None
    assert [row["support"] for row in metrics["per_class"]][2] == 0
