"""Chooses the model of a run that stands before the gate, by validation alone."""

from collections.abc import Sequence

from tasks.evaluation import Evaluation


def choose(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The model with the best validation accuracy; of equals by validation loss, then by size."""
    return min(evaluations, key=lambda model: (-model.val_accuracy, model.val_loss, model.parameters))


def choice_in_words(evaluations: Sequence[Evaluation]) -> str:
    """How `choose` chose, with the figures of the runner-up; empty where there was nothing to choose."""
    if len(evaluations) < 2:
        return ""
    best = choose(evaluations)
    second = choose([model for model in evaluations if model is not best])
    by_accuracy = f"{100 * best.val_accuracy:.1f} %"
    if best.val_accuracy != second.val_accuracy:
        return (
            f"chosen by validation accuracy: {by_accuracy}, {second.kind} {100 * second.val_accuracy:.1f} %"
        )
    tie = f"{by_accuracy} of both on validation"
    if best.val_loss != second.val_loss:
        losses = f"{best.val_loss:.3f}, {second.kind} {second.val_loss:.3f}"
        return f"chosen by validation loss, {losses}, after {tie}"
    return f"chosen as the smaller one, after {tie} and the same loss"
