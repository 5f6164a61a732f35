"""How right models were on images drawn at random, by what people said of these."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tasks.corrections import Answer, current_corrections
from tasks.evaluation.metrics import accuracy

RANDOM = "random"  # the kind of question whose answers measure; its `run` is the model version


def measured_accuracies(answers: Sequence[Answer]) -> Iterator[dict[str, Any]]:
    """Yield a record for each model whose random sample people have answered, in the order of the answers.

    It holds `model`, `images`, `accuracy` with its 95 % interval (Wilson), how many were `dropped`, which
    says nothing about the model, and the times of the first and the last answer, `since` and `until`. What
    counts is what is said of an image now, in whatever question.
    """
    truth = current_corrections(answers)
    models: dict[str, dict[str, Answer]] = {}
    for answer in answers:
        if (
            answer.kind == RANDOM
            and answer.run
            and answer.sha256 in truth
            and answer.decision in ("label", "drop")
        ):
            models.setdefault(answer.run, {})[answer.sha256] = answer
    for model, of_model in models.items():
        labelled = {
            sha256: answer for sha256, answer in of_model.items() if truth[sha256].decision == "label"
        }
        right = [truth[sha256].label == answer.suggested for sha256, answer in labelled.items()]
        if right:
            times = sorted(answer.at for answer in of_model.values())
            record = {"model": model, **accuracy(np.array(right)), "dropped": len(of_model) - len(labelled)}
            yield record | {"since": times[0], "until": times[-1]}
