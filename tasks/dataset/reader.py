"""The images of a committed dataset, memory-mapped, as training and evaluation read them."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tasks import storage


class Split:
    """The usable images of one split or of several, memory-mapped: `len`, `labels` and `take`.

    dataset_url: a committed dataset. classes: in the order of the numbers in `labels`. size_px: side of its
    images. looks: brightness, sharpness and original size (pixels of a square as large), float [images].
    """

    def __init__(self, dataset_url: str, classes: Sequence[str], size_px: int, *splits: str):
        columns = ["path", "label", "part", "row", "status", "split", "width", "height"]
        table = storage.read_table(storage.index_url(dataset_url), [*columns, "brightness", "sharpness"])
        rows = [row for row in table.to_pylist() if row["split"] in splits and row["status"] == "ok"]
        number = {name: i for i, name in enumerate(classes)}
        self._dataset_url, self._size_px = dataset_url, size_px
        self._part = np.array([row["part"] for row in rows], np.int32)
        self._row = np.array([row["row"] for row in rows], np.int64)
        self.paths = [row["path"] for row in rows]
        self.labels = np.array([number[row["label"]] for row in rows], np.int32)
        self.looks = {name: np.array([row[name] for row in rows]) for name in ("brightness", "sharpness")}
        self.looks["size"] = np.sqrt([row["width"] * row["height"] for row in rows])

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def _pixels(self) -> dict[int, np.ndarray]:
        """The decoded images of each part that the split needs."""
        urls = {int(part): storage.pixels_url(self._dataset_url, int(part)) for part in np.unique(self._part)}
        return {part: np.load(storage.local_copy(url), mmap_mode="r") for part, url in urls.items()}

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices` as uint8 [len(indices), size_px, size_px, 3]."""
        out = np.empty((len(indices), self._size_px, self._size_px, 3), np.uint8)
        for place, index in enumerate(indices):
            out[place] = self._pixels[int(self._part[index])][self._row[index]]
        return out
