"""Records to pages: HTML, Markdown, model card, figures. Pure: knows no Prefect and no storage."""

from tasks.pages.card import model_card
from tasks.pages.html import classify_report, explore_report, overview_report, retrain_report
from tasks.pages.markdown import classify_markdown, explore_markdown, retrain_markdown, way_to
from tasks.pages.photos import photo, with_evidence

__all__ = [
    "classify_markdown",
    "classify_report",
    "data_figures",
    "explore_markdown",
    "explore_report",
    "model_card",
    "model_figures",
    "overview_report",
    "photo",
    "retrain_markdown",
    "retrain_report",
    "style",
    "way_to",
    "with_evidence",
]
