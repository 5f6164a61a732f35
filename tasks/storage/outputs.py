"""The layout of a classification's output and of a folder it sorts files into: the URL of every file.

<output>/    part-*  summary.json  report.html  _manifest.parquet  _done/  _SUCCESS (where a run has them too,
             see `tasks.storage.runs`)
<sorted>/    <class>/  _unsure/  _unlike/  _sorted.json  _sorted/<plan>/*.parquet
"""

import re

from tasks.storage.names import plain_name
from tasks.storage.urls import join

PART_NAME = re.compile(r"part-(\d{5,})\.(parquet|csv|json|begun)")  # and their markers


def plan_url(output: str) -> str:
    return join(output, "_manifest.parquet")


def part_url(output: str, number: int, format: str) -> str:
    return join(output, f"part-{number:05d}.{format}")


def markers_url(output: str) -> str:
    return join(output, "_done")


def marker_url(output: str, number: int) -> str:
    """The marker of a committed part, written after its rows; it says which files the rows are of."""
    return join(markers_url(output), f"part-{number:05d}.json")


def begun_url(output: str, number: int) -> str:
    """Stands while a part is classified, and after a process that died of it."""
    return join(markers_url(output), f"part-{number:05d}.begun")


def sorting_url(folder: str) -> str:
    """The record of a folder that files were sorted into: by which job, with which class folders."""
    return join(folder, "_sorted.json")


def ledgers_url(folder: str, plan: str = "") -> str:
    """What was put into a folder that files are sorted into, by plan; and copies that are not finished."""
    return join(folder, "_sorted", *([plain_name(plan, "A plan")] if plan else []))


def ledger_url(folder: str, plan: str, part: str) -> str:
    """What was put there of one part of the output, or (`left`) of files that have left the images."""
    return join(ledgers_url(folder, plan), f"{part}.parquet")
