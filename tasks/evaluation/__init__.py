"""How good a model is, measured once on the untouched test images."""

from tasks.evaluation.calibration import scale_temperature
from tasks.evaluation.estimates import estimate
from tasks.evaluation.evaluate import evaluate_model
from tasks.evaluation.likeness import likeness_of
from tasks.evaluation.measured import measured_accuracies
from tasks.evaluation.metrics import compare, p_of_worse
from tasks.evaluation.paired import compare_macro_recall
from tasks.evaluation.records import Evaluation, read_predictions, read_right
from tasks.evaluation.thresholds import PRECISION, least_confidences

__all__ = [
    "PRECISION",
    "Evaluation",
    "compare",
    "compare_macro_recall",
    "drift",
    "estimate",
    "evaluate_model",
    "least_confidences",
    "likeness_of",
    "measured_accuracies",
    "p_of_worse",
    "read_predictions",
    "read_right",
    "scale_temperature",
]
