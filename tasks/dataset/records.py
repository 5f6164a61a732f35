"""The records that go between tasks about a dataset: URLs and counts."""

from dataclasses import dataclass, field
from typing import Any

from tasks.dataset.originals import SplitOfFiles
from tasks.dataset.reader import Split
from tasks.parameters import Fit, Leakage


@dataclass(frozen=True)
class Drawing:
    """How splits are drawn: the share for test, 0 where the user has one or wants none; see `Data`."""

    test_share: float = 0.0
    group_by: str | None = None
    newest_as_test: bool = False


@dataclass(frozen=True)
class Manifest:
    """The labelled files of a folder of images, listed in a Parquet file with one row group per part.

    unlabelled: files in no class folder, which are not listed. parts: how many there are to decode.
    val_share, leakage, drawing: how splits are made (see `settle_splits`). words: how the folder was
    understood. fit: how pictures become squares (see `Data`).
    """

    images_url: str
    dataset_url: str
    fingerprint: str
    classes: tuple[str, ...]
    files: int
    unlabelled: int
    parts: int
    size_px: int
    val_share: float
    leakage: Leakage
    drawing: Drawing = Drawing()
    words: str = ""
    fit: Fit = "squeeze"


@dataclass(frozen=True)
class Dataset:
    """A committed dataset: the decoded parts, and an index with one row per file.

    counts: usable images of the splits train, val and test. bad: files that are not usable. decoded: files
    decoded by this run. reused: files whose part was there already. corrections: see `count_corrections`.
    origin: see `origin_of`.
    left_out: what classes lack that are not among `classes` for that reason (see `without_small_classes`).
    fit: how pictures became squares.
    """

    url: str
    fingerprint: str
    images_url: str
    classes: tuple[str, ...]
    size_px: int
    counts: dict[str, int]
    unlabelled: int
    bad: int
    decoded: int
    reused: int
    corrections: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    fit: Fit = "squeeze"

    def split(self, *names: str) -> Split:
        """The usable images of splits: `train`, `val`, `test`, or `leaked` (left out as copies)."""
        return Split(self.url, self.classes, self.size_px, *names)

    def split_at(self, size_px: int, fit: Fit, *names: str) -> Split:
        """Like `split`, the images as another model sees them: decoded anew from the files where need be."""
        if (size_px, fit) == (self.size_px, self.fit):
            return self.split(*names)
        return SplitOfFiles(self.url, self.images_url, self.classes, size_px, fit, *names)
