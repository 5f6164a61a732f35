"""Reads the label and the split of a file off the folders of its path."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.storage import FileEntry

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
    "pred": "unlabelled",
    "predict": "unlabelled",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
}


@dataclass(frozen=True)
class LabelledFile:
    """A file with the label (None if it has none) and the split that its folders give it."""

    file: FileEntry
    label: str | None
    split: str


def label_files(files: Sequence[FileEntry]) -> list[LabelledFile]:
    """Read label and split of each file off its folders.

    Understands `train|val|test/<class>/*` and Kaggle's doubled `seg_train/seg_train/<class>/*`, below any
    parents such as `archive/`. Where no file lies in such a folder, `<class>/*` are training images. Files
    in a `pred` folder or in no class folder are unlabelled.
    """
    rows = [_in_split_folder(file) for file in files]
    if any(row.label is not None for row in rows):
        return rows
    return [_in_class_folder(row) for row in rows]


def _in_split_folder(file: FileEntry) -> LabelledFile:
    folders = file.path.split("/")[:-1]
    for depth, folder in enumerate(folders):
        if split := SPLITS.get(folder.lower().removeprefix("seg_")):
            below = folders[depth + 1 :]
            if below[:1] == [folder]:
                below = below[1:]
            if split != "unlabelled" and below:
                return LabelledFile(file, below[0], split)
            return LabelledFile(file, None, split)
    return LabelledFile(file, None, "")


def _in_class_folder(row: LabelledFile) -> LabelledFile:
    folder, _, path_below = row.file.path.partition("/")
    return LabelledFile(row.file, folder, "train") if path_below and not row.split else row
