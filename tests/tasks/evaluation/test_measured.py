"""What people say of images drawn at random measures each model, and nothing else does."""

from dataclasses import replace

import pytest

from tasks.corrections import Answer
from tasks.evaluation import measured_accuracies


def answer(number: int, label: str | None, suggested: str = "sea", **other: str) -> Answer:
    record = Answer(
        sha256=f"{number:064x}",
        decision="label" if label else "drop",
        label=label,
        shown=None,
        suggested=suggested,
        confidence=0.9,
        kind="random",
        run="v1-cnn",
        who="me",
        at=f"2026-11-26T10:{number:02}:00+00:00",
    )
    return replace(record, **other)


def test_only_the_random_sample_of_a_model_measures_it():
    answers = [
        *(answer(number, "sea") for number in range(8)),
        *(answer(number, "sky") for number in range(8, 10)),
        *(answer(number, "sky", kind="unsure") for number in range(20, 40)),
        answer(41, "sky", run="v2-cnn"),
        answer(42, None),
        answer(43, None, decision="later"),
    ]
    first, second = measured_accuracies(answers)
    assert (first["model"], first["images"], first["accuracy"], first["dropped"]) == ("v1-cnn", 10, 0.8, 1)
    assert (first["low"], first["high"]) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))
    assert first["since"] < first["until"]
    assert (second["model"], second["images"], second["accuracy"]) == ("v2-cnn", 1, 0.0)


def test_what_is_said_of_an_image_later_counts_and_what_was_undone_does_not():
    undone = answer(2, None, decision="undo")
    later = answer(1, "sea", kind="wrong_label", run="2026-11-27", suggested="sky")
    [record] = measured_accuracies([answer(1, "sky"), answer(2, "sky"), answer(3, "sea"), undone, later])
    assert (record["images"], record["accuracy"]) == (2, 1.0)


def test_nothing_is_measured_before_anybody_has_answered():
    assert list(measured_accuracies([answer(1, "sky", kind="unsure"), answer(2, None)])) == []
