"""Chooses the model of a run that stands before the gate, by validation alone."""

from collections.abc import Sequence

from tasks.evaluation import Evaluation
from tasks.parameters import CompareBy


def choose(evaluations: Sequence[Evaluation], by: CompareBy = "accuracy") -> Evaluation:
    """The model with the best validation accuracy, or macro recall; of equals by loss, then by size."""
    return min(evaluations, key=lambda model: (-score_of(model, by), model.val_loss, model.parameters))


def score_of(model: Evaluation, by: CompareBy) -> float:
    """On validation; an older Darkroom's run knows accuracies alone."""
    return model.val_accuracy if by == "accuracy" else model.val_macro_recall or 0.0


def choice_in_words(evaluations: Sequence[Evaluation], by: CompareBy = "accuracy") -> str:
    """How `choose` chose, with the figures of the runner-up; empty where there was nothing to choose."""
    if len(evaluations) < 2:
        return ""
    best = choose(evaluations, by)
    second = choose([model for model in evaluations if model is not best], by)
    best_score, second_score = score_of(best, by), score_of(second, by)
    by_score = f"{100 * best_score:.1f} %"
    if best_score != second_score:
        score = by.replace("_", " ")
        return f"chosen by validation {score}: {by_score}, {second.kind} {100 * second_score:.1f} %"
    tie = f"{by_score} of both on validation"
    if best.val_loss != second.val_loss:
        losses = f"{best.val_loss:.3f}, {second.kind} {second.val_loss:.3f}"
        return f"chosen by validation loss, {losses}, after {tie}"
    return f"chosen as the smaller one, after {tie} and the same loss"
