"""The images of a committed dataset, memory-mapped, as training and evaluation read them."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow.parquet as pq

from tasks import storage


def names_of_columns(url: str) -> set[str]:
    """Of a Parquet file; an older one may lack some."""
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        return set(pq.read_schema(file).names)


class Split:
    """Usable images of classes in splits: `len()`, `paths`, `labels`, `looks`, `scenes`, `times`, `take`.

    dataset_url: a committed dataset. classes: its class names; a label is a number in this list. size_px:
    the side of its images. looks: float [images] each of brightness, sharpness and size, which is the side
    in pixels of a square with the area of the original image. scenes: the group of each image, or None, by
    the user's word. times: when it was taken, ISO text, or None where that is not known.
    """

    def __init__(self, dataset_url: str, classes: Sequence[str], size_px: int, *splits: str):
        columns = ["path", "label", "part", "row", "status", "split", "width", "height"]
        columns += ["brightness", "sharpness", "scene", "known_time"]
        url = storage.index_url(dataset_url)
        table = storage.read_table(url, [name for name in columns if name in names_of_columns(url)])
        class_numbers = {name: number for number, name in enumerate(classes)}
        rows = [
            row
            for row in table.to_pylist()
            if row["split"] in splits and row["status"] == "ok" and row["label"] in class_numbers
        ]
        self._dataset_url, self._size_px = dataset_url, size_px
        self._part = np.array([row["part"] for row in rows], np.int32)
        self._row = np.array([row["row"] for row in rows], np.int64)
        self.paths = [row["path"] for row in rows]
        self.scenes = [row.get("scene") for row in rows]  # older indexes have none
        self.times = [row.get("known_time") for row in rows]
        self.labels = np.array([class_numbers[row["label"]] for row in rows], np.int32)
        self.looks = {name: np.array([row[name] for row in rows]) for name in ("brightness", "sharpness")}
        self.looks["size"] = np.sqrt([row["width"] * row["height"] for row in rows])

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def _pixels(self) -> dict[int, np.ndarray]:
        """The decoded images of each part that has images of the split, by the number of the part."""
        urls = {int(part): storage.pixels_url(self._dataset_url, int(part)) for part in np.unique(self._part)}
        return {part: np.load(storage.local_copy(url), mmap_mode="r") for part, url in urls.items()}

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices` as uint8 [len(indices), size_px, size_px, 3]."""
        out = np.empty((len(indices), self._size_px, self._size_px, 3), np.uint8)
        for place, index in enumerate(indices):
            out[place] = self._pixels[int(self._part[index])][self._row[index]]
        return out
