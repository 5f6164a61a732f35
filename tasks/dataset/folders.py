"""What the folders of a path say of a file: its label and its split."""

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
class Labelled:
    """A file, and what its folders say of it."""

    file: FileEntry
    label: str | None
    split: str


def label_all(files: Sequence[FileEntry]) -> list[Labelled]:
    """Read label and split off the folders of each path.

    Understood: `train|val|test/<class>/*` and Kaggle's doubled `seg_train/seg_train/<class>/*` below any
    parents such as `archive/`; where there is no such folder, `<class>/*`, all of it training images.
    A file in a `pred` folder or in no class folder is unlabelled.
    """
    rows = [_in_split_folder(file) for file in files]
    if any(row.label is not None for row in rows):
        return rows
    return [_in_class_folder(row) for row in rows]


def _in_split_folder(file: FileEntry) -> Labelled:
    folders = file.path.split("/")[:-1]
    for depth, folder in enumerate(folders):
        if split := SPLITS.get(folder.lower().removeprefix("seg_")):
            below = folders[depth + 1 :]
            if below[:1] == [folder]:
                below = below[1:]
            if split != "unlabelled" and below:
                return Labelled(file, below[0], split)
            return Labelled(file, None, split)
    return Labelled(file, None, "")


def _in_class_folder(row: Labelled) -> Labelled:
    folder, _, rest = row.file.path.partition("/")
    return Labelled(row.file, folder, "train") if rest and not row.split else row
