"""What the report of a classification shows of millions of rows: a few, drawn so that memory stays flat."""

import heapq
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

OF_LABEL = 6  # images drawn of each label
SHOWN = 60  # of all labels together
BAD = -1.0  # stands for the confidence of a file without a label

Row = dict[str, Any]


class LabelSample:
    """OF_LABEL rows of each label at random, the same for the same rows in the same order."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._rows: dict[str, list[tuple[float, Row]]] = {}
        self._images: Counter[str] = Counter()

    def add(self, rows: pa.Table) -> None:
        """Rows of images that got a label, with path, label and confidence; there may be none."""
        if not len(rows):
            return
        keys = self._random.random(len(rows))
        labels = rows["label"].combine_chunks().dictionary_encode()
        numbers = labels.indices.to_numpy()
        order = np.lexsort([keys, numbers])
        starts = np.searchsorted(numbers[order], np.arange(len(labels.dictionary)))
        for label, start, end in zip(
            labels.dictionary.to_pylist(), starts, [*starts[1:], len(order)], strict=True
        ):
            self._images[label] += end - start
            drawn = order[start : min(end, start + OF_LABEL)]
            drawn_rows = rows.take(drawn).select(["path", "label", "confidence"]).to_pylist()
            pairs = [*self._rows.get(label, []), *zip(keys[drawn].tolist(), drawn_rows, strict=True)]
            self._rows[label] = heapq.nsmallest(OF_LABEL, pairs, key=lambda pair: pair[0])

    def rows(self) -> dict[str, list[Row]]:
        """By label, at most SHOWN in all: of many labels fewer each, and of the rarest SHOWN at least one."""
        each = max(1, min(OF_LABEL, SHOWN // max(len(self._rows), 1)))
        rarest = sorted(self._rows, key=lambda label: (self._images[label], label))[:SHOWN]
        return {label: [row for _, row in self._rows[label][:each]] for label in sorted(rarest)}


class Doubtful:
    """At most `most` rows, those that ask most for a look: bad files, then the least sure."""

    def __init__(self, most: int) -> None:
        self._most, self._rows = most, list[Row]()

    def add(self, rows: pa.Table) -> None:
        order = pc.sort_indices(pc.fill_null(rows["confidence"], BAD))
        least_sure = rows.take(order.slice(0, self._most))
        columns = ["path", "status", "label", "confidence", "error"]
        self._rows = heapq.nsmallest(
            self._most, [*self._rows, *least_sure.select(columns).to_pylist()], key=_sureness
        )

    def rows(self) -> list[Row]:
        return self._rows


def _sureness(row: Row) -> float:
    return BAD if row["confidence"] is None else row["confidence"]
