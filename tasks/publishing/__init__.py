"""Puts reports, plots and summaries into the store, the Prefect UI and MLflow."""

from tasks.publishing.exploration import publish_exploration
from tasks.publishing.mlflow import check_tracking, track
from tasks.publishing.overview import note_classification, write_overview
from tasks.publishing.retraining import Retraining, publish_report
from tasks.publishing.waiting import completed, count_questions

__all__ = [
    "Retraining",
    "check_tracking",
    "completed",
    "count_questions",
    "note_classification",
    "publish_exploration",
    "publish_report",
    "track",
    "write_overview",
]
