"""Whether one of two models finds more of the classes, each class counted alike, on the same images."""

import numpy as np

DRAWS = 99_999
EQUAL = 1e-12  # sums of the same shares in another order


def compare_macro_recall(
    first_right: np.ndarray, second_right: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Macro recall of two models on the same images, over the classes that have any, and how sure it is.

    Both bool [images]: which each got right. labels: int [images]. Returns `first`, `second`; `p_value`, how
    likely two equally good models differ as much or more; `p_of_worse`, how likely a second one no worse
    stands as low or lower.

    A paired permutation test, stratified by class: of equals, either is as likely the one that is right where
    only one is, so these images change sides by chance, class by class. With one class it is the exact
    McNemar test. DRAWS of a fixed seed; p counts the outcome itself, which makes the test exact at any number
    of them. Sources: Fisher 1935, "The Design of Experiments"; Phipson & Smyth 2010, "Permutation P-values
    should never be zero".
    """
    random = np.random.default_rng(0)
    present = np.unique(labels)
    recalls, drawn = np.zeros((len(present), 2)), np.zeros(DRAWS)
    for row, label in enumerate(present):
        first, second = first_right[labels == label], second_right[labels == label]
        recalls[row] = first.mean(), second.mean()
        differing = int((first != second).sum())
        gained = random.binomial(differing, 0.5, DRAWS)
        drawn += (2 * gained - differing) / len(first)
    first_recall, second_recall = recalls.mean(0)
    difference = (second_recall - first_recall) * len(present)
    return {
        "first": float(first_recall),
        "second": float(second_recall),
        "p_value": share_of(np.abs(drawn) >= abs(difference) - EQUAL),
        "p_of_worse": share_of(drawn <= difference + EQUAL),
    }


def share_of(outcomes: np.ndarray) -> float:
    """Share of simulated outcomes as far as the one at hand, which counts as well. outcomes: bool [draws]."""
    return float((outcomes.sum() + 1) / (len(outcomes) + 1))
