"""What a pass over the rows of a job counts, and keeps of them; memory stays flat."""

import heapq
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.classification.rows import GOOD, UNLIKE, USABLE, count_values
from tasks.classification.sample import Doubtful, LabelSample
from tasks.evaluation import drift
from tasks.pages import CSV_ROWS

MAX_ROWS = 50  # in each table of the report


class Counts:
    """Counts over rows of a job, as drift is measured by them."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.looks = drift.histograms({name: np.empty(0) for name in drift.EDGES})

    def add(self, rows: pa.Table) -> None:
        self.statuses += count_values(rows["status"])
        self.add_usable(rows.filter(pc.is_in(rows["status"], pa.array(USABLE))))

    def add_usable(self, rows: pa.Table) -> None:
        self.labels += count_values(rows["label"])
        values = {name: rows[name].to_numpy() for name in drift.EDGES}
        for name, histogram in drift.histograms(values).items():
            self.looks[name] = self.looks[name] + histogram


class Tally(Counts):
    """Counts over all rows of a job, and the few rows that the report shows; memory stays flat."""

    def __init__(self) -> None:
        super().__init__()
        self.engines: Counter[str] = Counter()
        self.confidence = self.variance = 0.0  # summed over the images, as `estimate` takes them
        self.bad: list[dict[str, Any]] = []
        self.least_sure: list[dict[str, Any]] = []
        self.unlike: list[dict[str, Any]] = []
        self.samples, self.doubtful = LabelSample(), Doubtful(CSV_ROWS)

    def add(self, rows: pa.Table) -> None:
        super().add(rows)
        if space := MAX_ROWS - len(self.bad):
            bad = rows.filter(pc.invert(pc.is_in(rows["status"], pa.array(GOOD))))
            self.bad += bad.slice(0, space).select(["path", "status", "error"]).to_pylist()
        self.unlike = least(self.unlike, rows.filter(pc.equal(rows["status"], UNLIKE)), "likeness")
        self.doubtful.add(rows)

    def add_usable(self, rows: pa.Table) -> None:
        super().add_usable(rows)
        self.engines += count_values(rows["engine"])
        confidence = rows["confidence"].to_numpy().astype(np.float64)
        self.confidence += float(confidence.sum())
        self.variance += float((confidence * (1 - confidence)).sum())
        self.samples.add(rows)
        self.least_sure = least(self.least_sure, rows, "confidence")


def least(earlier: list[dict[str, Any]], rows: pa.Table, column: str) -> list[dict[str, Any]]:
    """The MAX_ROWS rows of earlier ones and of a table that are least in a column, in its order."""
    shown = ["path", "label", "confidence", "status", "likeness"]
    candidates = rows.sort_by(column).slice(0, MAX_ROWS).select(shown).to_pylist()
    return heapq.nsmallest(MAX_ROWS, earlier + candidates, key=lambda row: row[column])
