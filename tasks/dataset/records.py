"""What goes between tasks of a dataset: URLs and counts."""

from dataclasses import dataclass

from tasks.dataset.reader import Split
from tasks.parameters import Leakage


@dataclass(frozen=True)
class Manifest:
    """The labelled files of a folder, committed: one Parquet row group a part."""

    root: str
    dataset_url: str
    fingerprint: str
    classes: tuple[str, ...]
    files: int
    unlabelled: int
    parts: int
    size_px: int
    val_share: float
    leakage: Leakage


@dataclass(frozen=True)
class Dataset:
    """A committed dataset: decoded parts and the index that says what each row is."""

    url: str
    fingerprint: str
    root: str
    classes: tuple[str, ...]
    size_px: int
    counts: dict[str, int]
    unlabelled: int
    bad: int
    decoded: int
    reused: int

    def split(self, *names: str) -> Split:
        """The usable images of some splits: `train`, `val`, `test`, or `leaked`, those that were left out."""
        return Split(self.url, self.classes, self.size_px, *names)
