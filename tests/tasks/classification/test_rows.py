"""Rows in CSV are those in Parquet, and no spreadsheet calculates any."""

import csv
from pathlib import Path

import pytest

from tasks.classification.job import Job, Part
from tasks.classification.plan import Plan
from tasks.classification.rows import read_part, to_table, write_rows
from tasks.networks import ModelVersion
from tasks.parameters import Classification
from tasks.storage import FileEntry

SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}")
NAMES = [
    "a.jpg",
    "'a.jpg",
    *(f"{start}{sign}cmd|' /C calc'!A0" for sign in SIGNS for start in ("", "'", "''")),
]


@pytest.fixture
def part(tmp_path: Path) -> Part:
    model = ModelVersion("=v1", "cnn", "", "", ("a", "b"), 32, 1.0)
    job = Job("/in", str(tmp_path), model, Classification(format="csv"), Plan("", "", 1, len(NAMES), 1, ""))
    return Part(job, 0, tuple(FileEntry(name, 1, "") for name in NAMES), "")


def test_no_cell_is_a_formula_and_all_are_read_as_they_were(part: Part):
    rows = [
        {"path": name, "status": "ok", "label": name, "top_labels": [name, "b"], "model": "=v1"}
        for name in NAMES[:-1]
    ]
    rows += [{"path": NAMES[-1], "status": "corrupt", "error": "-1"}]
    table = to_table(rows, "csv")
    write_rows(part, table)
    with open(part.url, newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(SIGNS)]
    assert read_part(part.url).to_pylist() == table.to_pylist()
