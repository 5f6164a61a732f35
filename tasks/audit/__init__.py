"""What is wrong with a dataset: copies, leakage, likely wrong labels, outliers, and the verdict in words."""

from tasks.audit.checks import CHECKS, Check
from tasks.audit.corrections import correction_words
from tasks.audit.features import embed_part, fetch_base, locate_weights, plan_features
from tasks.audit.findings import audit_dataset, read_audit, read_duplicates
from tasks.audit.origin import origin_words
from tasks.audit.verdict import soundness
from tasks.audit.wrong_labels import Suspect, check_labels, read_suspects

__all__ = [
    "CHECKS",
    "Check",
    "Suspect",
    "audit_dataset",
    "check_labels",
    "correction_words",
    "embed_part",
    "fetch_base",
    "locate_weights",
    "origin_words",
    "plan_features",
    "read_audit",
    "read_duplicates",
    "read_suspects",
    "soundness",
]
