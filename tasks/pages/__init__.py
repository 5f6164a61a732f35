"""Records to pages: HTML, Markdown, model card, figures. Pure: knows no Prefect and no storage."""

from tasks.pages.card import model_card
from tasks.pages.html import (
    CSV_ROWS,
    SCRIPT_SOURCE,
    classify_report,
    explore_report,
    overview_report,
    retrain_report,
    review_files,
)
from tasks.pages.markdown import classify_markdown, explore_markdown, link_to_report, plain, retrain_markdown
from tasks.pages.metrics import METRICS, metric_texts
from tasks.pages.photos import overlay_evidence, photo, photo_in_proportion
from tasks.pages.words import (
    UNKNOWN,
    classification_verdict,
    count,
    decimals,
    is_number,
    labelled_of,
    percent,
    retraining_verdict,
    rightness,
)

__all__ = [
    "CSV_ROWS",
    "METRICS",
    "SCRIPT_SOURCE",
    "UNKNOWN",
    "classification_verdict",
    "classify_markdown",
    "classify_report",
    "count",
    "data_figures",
    "decimals",
    "drift_figures",
    "explore_markdown",
    "explore_report",
    "is_number",
    "labelled_of",
    "link_to_report",
    "metric_texts",
    "model_card",
    "model_figures",
    "overlay_evidence",
    "overview_report",
    "percent",
    "photo",
    "photo_in_proportion",
    "plain",
    "retrain_markdown",
    "retrain_report",
    "retraining_verdict",
    "review_files",
    "rightness",
    "style",
]
