"""Reads the label and the split of a file off the folders of its path."""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.storage import FileEntry, is_plain_name

SPLITS = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "valset": "val",
    "test": "test",
    "testing": "test",
    "testset": "test",
    "pred": "unlabelled",
    "predict": "unlabelled",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
}
FILLERS = {"seg", "set", "data", "dataset", "split", "images", "image", "imgs", "img"}

Tree = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file with the label (None if it has none) and the split that folders or a file of labels give it.

    group: what no split tears apart, by the user's word. time: ISO text. Both only where somebody gave them.
    """

    file: FileEntry
    label: str | None
    split: str
    group: str | None = None
    time: str | None = None


def label_files(files: Sequence[FileEntry]) -> list[LabelledFile]:
    """Read label and split of each file off its folders.

    Understands `train|val|test/<class>/*` (or `training_set/<class>/*` and the like) and Kaggle's doubled
    `seg_train/seg_train/<class>/*`, below any parents such as `archive/`. Where no file lies in such a
    folder, `<class>/*` are training images. Files in a `pred` folder or in no class folder are unlabelled.

    A split folder is one with folders in it: `train/*.jpg` beside `bus/*.jpg` is a class, and so is
    `train/train/*.jpg` beside `train/bus/*.jpg`.
    """
    tree = tree_of(file.path for file in files)
    rows = [_in_split_folder(file, tree) for file in files]
    if any(row.label is not None for row in rows):
        return rows
    if all(split_of(name) for name in tree.get("", ())):
        return rows
    return [_in_class_folder(row) for row in rows]


def tree_of(paths: Iterable[str]) -> Tree:
    """The names of the folders in each folder, by its path; the outermost has the path ``."""
    tree: Tree = {}
    for folder in {path.rpartition("/")[0] for path in paths}:
        parent = ""
        for name in folder.split("/") if folder else ():
            tree.setdefault(parent, set()).add(name)
            parent = _below(parent, name)
    return tree


def split_of(folder: str) -> str | None:
    """The split that a folder's name tells: of `train`, `seg_train`, `Training_Set`; None for other names."""
    words = [word for word in re.split(r"[\W_]+", folder.lower()) if word and word not in FILLERS]
    return SPLITS.get(words[0]) if len(words) == 1 else None


def _in_split_folder(file: FileEntry, tree: Tree) -> LabelledFile:
    folders = file.path.split("/")[:-1]
    parent = ""
    for depth, folder in enumerate(folders):
        parent = _below(parent, folder)
        split = split_of(folder)
        if split == "unlabelled":
            return LabelledFile(file, None, split)
        if split and parent in tree:
            is_doubled = tree[parent] == {folder}
            below = folders[depth + (2 if is_doubled else 1) :]
            return LabelledFile(file, _label(below), split)
    return LabelledFile(file, None, "")


def _in_class_folder(row: LabelledFile) -> LabelledFile:
    *folders, _ = row.file.path.split("/")
    return row if row.split or not folders else LabelledFile(row.file, _label(folders), "train")


def _label(folders: Sequence[str]) -> str | None:
    """The class that the outermost of some folders names; none where object storage has it `..` or empty."""
    return sys.intern(folders[0]) if folders and is_plain_name(folders[0]) else None


def _below(parent: str, name: str) -> str:
    return f"{parent}/{name}" if parent else name
