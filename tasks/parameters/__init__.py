"""What a user may choose: drawn as the form in the Prefect UI and as flags on the command line."""

from tasks.parameters.classification import Classification, Engine, ExportFormat
from tasks.parameters.data import FIT_WORDS, LABEL_COLUMNS, Data, Fit, Leakage
from tasks.parameters.gate import CompareBy, Gate
from tasks.parameters.training import (
    UNEVEN,
    Augmentation,
    Balance,
    CnnAugmentation,
    CnnParameters,
    MobilenetParameters,
    ModelKind,
    Training,
)
from tasks.parameters.words import MaxBadShare, Word

__all__ = [
    "FIT_WORDS",
    "LABEL_COLUMNS",
    "UNEVEN",
    "Augmentation",
    "Balance",
    "Classification",
    "CnnAugmentation",
    "CnnParameters",
    "CompareBy",
    "Data",
    "Engine",
    "ExportFormat",
    "Fit",
    "Gate",
    "Leakage",
    "MaxBadShare",
    "MobilenetParameters",
    "ModelKind",
    "Training",
    "Word",
]
