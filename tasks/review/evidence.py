"""What questions are found in: the last finished run of a store, and the output of a classification."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks import storage
from tasks.review.question import Picture
from tasks.storage import Run

INDEX_COLUMNS = ["path", "sha256", "group", "split", "label", "status"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """The last finished run of a store: its summary.json, and the dataset that it worked on."""

    run: Run
    summary: dict[str, Any]

    @property
    def dataset_url(self) -> str:
        return storage.dataset_url(self.run.store, self.summary["dataset"]["fingerprint"])

    @property
    def classes(self) -> list[str]:
        return self.summary["dataset"]["classes"]

    @cached_property
    def index(self) -> pa.Table:
        """The usable images of the dataset."""
        table = storage.read_table(storage.index_url(self.dataset_url), INDEX_COLUMNS)
        return table.filter(pc.equal(table["status"], "ok"))

    def rows(self, column: str, values: Iterable[Any]) -> list[Row]:
        """The rows of the index that have one of these values in a column, in the order of the index."""
        wanted = pa.array(list(values), self.index.schema.field(column).type)
        return self.index.filter(pc.is_in(self.index[column], wanted)).to_pylist()

    def picture(self, row: Row) -> Picture:
        root = self.summary["dataset"]["root"]
        return Picture(row["sha256"], root, row["path"], row["label"], row["split"])


@dataclass(frozen=True)
class Classified:
    """The output of a bulk classification: its folder, its summary.json, and when it was finished."""

    output: str
    summary: dict[str, Any]
    finished: str


@dataclass(frozen=True)
class Evidence:
    """What questions are found in; either part may be missing. count: how many are asked at most."""

    store: str
    count: int
    trained: Trained | None
    classified: Classified | None

    @property
    def classes(self) -> list[str]:
        """What an answer may be: the classes of the dataset, then those that only the model knows."""
        of_data = self.trained.classes if self.trained else []
        of_model = list(self.classified.summary["labels"]) if self.classified else []
        return list(dict.fromkeys([*of_data, *of_model]))

    @property
    def key(self) -> tuple[str, str]:
        """Changes when another run has finished, or another classification."""
        run = self.trained.run.name if self.trained else ""
        return run, self.classified.finished if self.classified else ""


def gather_evidence(store: str, output: str | None, count: int) -> Evidence:
    """The last finished run of a store, and the output as it stands. count: of questions, at most.

    Quick: of both it reads the summaries alone.
    """
    store = storage.absolute(store)
    return Evidence(store, count, last_run(store), read_output(output) if output else None)


def last_run(store: str) -> Trained | None:
    """The last finished retraining of a store, else its last exploration; their names begin with a time."""
    explored = None
    for name in reversed(storage.names(storage.runs_url(store))):
        run = Run(name, store)
        summary = storage.json_unless_broken(storage.summary_url(run.folder_url))
        if summary and {"fingerprint", "classes", "root"} <= summary.get("dataset", {}).keys():
            trained = Trained(run, summary)
            if "models" in summary:
                return trained
            explored = explored or trained
    return explored


def read_output(output: str) -> Classified | None:
    output = storage.absolute(output)
    summary = storage.json_unless_broken(storage.summary_url(output))
    if not summary or not {"root", "labels", "model"} <= summary.keys():
        return None
    return Classified(output, summary, finished(output))


def finished(output: str) -> str:
    """When a classification was finished; empty while it is at work."""
    marker = storage.success_url(output)
    return str(storage.modification_time(marker)) if storage.exists(marker) else ""


def in_order(rows: Sequence[Row], first: Row) -> list[Row]:
    """The rows, `first` in front."""
    return [first, *(row for row in rows if row["path"] != first["path"])]
