"""Says in one line how a folder of labelled images was understood, and refuses classes that look alike."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from tasks.dataset.folders import LabelledFile, split_of, tree_of
from tasks.dataset.problems import Problems
from tasks.dataset.records import Drawing
from tasks.errors import InputError
from tasks.storage import LeftOut

NAMED = 3  # of each kind, in one line
# Names that `classify` gives to folders of its own.
RESERVED = ("_unsure", "_unlike", "_sorted", "_sorted.json")


def layout_in_words(rows: Sequence[LabelledFile], left_out: LeftOut) -> str:
    """How the folders were read, which classes lack test images or were merged, and what was left out."""
    labelled = [row for row in rows if row.label is not None]
    unlabelled = Counter(row.file.path.partition("/")[0] for row in rows if row.label is None)
    splits = Counter(row.split for row in labelled)
    classes = sorted({str(row.label) for row in labelled})
    split_folders = sorted({folder for row in labelled if (folder := _split_folder(row))})
    sentences = [
        _splits_of_classes(labelled) + (f" in {names_of(split_folders)}" if split_folders else ""),
        *_doubts(labelled, classes, splits),
        f"left out: {_files(unlabelled)}{left_out or ('' if unlabelled else 'nothing')}".rstrip(", "),
    ]
    return "; ".join(sentences)


def file_in_words(url: str, rows: Sequence[LabelledFile], problems: Problems, left_out: LeftOut) -> str:
    """How a file of labels was read, and what of it and of the folder could not be used."""
    labelled = [row for row in rows if row.label is not None]
    unusable = [str(part) for part in (problems.kinds and problems, left_out) if part]
    words = f"{_splits_of_classes(labelled)} by {url}"
    return f"{words}; left out: {', '.join(unusable) or 'nothing'}"


def drawing_in_words(rows: Sequence[LabelledFile], drawing: Drawing) -> str:
    """What will be drawn from some labelled files, and by which groups; to follow other words."""
    groups = {row.group for row in rows if row.group}
    ungrouped = sum(row.group is None for row in rows) if groups else 0
    words = f"; {len(groups):,} groups" if groups else ""
    words += f", {ungrouped:,} files in none" if ungrouped else ""
    if not drawing.test_share:
        return words
    newest = "the latest of" if drawing.newest_as_test else "of"
    return f"{words}; no test split: {drawing.test_share:.0%} {newest} the images are drawn for it"


def _splits_of_classes(labelled: Sequence[LabelledFile]) -> str:
    splits = Counter(row.split for row in labelled)
    classes = sorted({str(row.label) for row in labelled})
    counts = ", ".join(f"{count:,} {split}" for split, count in splits.items())
    return f"{counts} of {len(classes):,} classes ({names_of(classes)})"


def _split_folder(row: LabelledFile) -> str:
    """The folder that gives a file its split, which is around its class folder; empty where there is none."""
    folders = row.file.path.split("/")[:-1]
    outer = folders[: len(folders) - 1 - folders[::-1].index(str(row.label))]
    return "/".join(outer) if outer and split_of(outer[-1]) else ""


def _doubts(labelled: Sequence[LabelledFile], classes: Sequence[str], splits: Counter[str]) -> Iterable[str]:
    """What may not be what the user meant."""
    tested = {row.label for row in labelled if row.split == "test"}
    if tested and (untested := [name for name in classes if name not in tested]):
        yield f"no test images of {names_of(untested)}"
    if named_like_splits := [name for name in classes if split_of(name)]:
        yield f"{names_of(named_like_splits)} taken for a class"
    if nested := sorted({path for row in labelled if (path := _nested(row))}):
        yield f"folders in class folders count as that class: {names_of(nested)}"
    if set(splits) == {"train"} and (twins := _of_equal_folders(labelled)):
        yield f"{names_of(twins)} hold folders of equal names: are they splits, to be named train, val, test?"


def names_of(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def _files(unlabelled: Counter[str]) -> str:
    if not unlabelled:
        return ""
    folders = [name for name, _ in unlabelled.most_common()]
    return f"{unlabelled.total():,} files in no class folder ({names_of(folders)}), "


def _nested(row: LabelledFile) -> str | None:
    """`class/folder` for a file that does not lie directly in its class folder."""
    folders = row.file.path.split("/")[:-1]
    depth = len(folders) - 1 - folders[::-1].index(str(row.label))
    return "/".join(folders[depth : depth + 2]) if depth + 1 < len(folders) else None


def _of_equal_folders(labelled: Sequence[LabelledFile]) -> list[str]:
    """Class folders that hold two folders or more, of the same names as another class does."""
    tree = tree_of(row.file.path for row in labelled)
    inner = {name: frozenset(tree.get(name, ())) for name in tree.get("", ())}
    counts = Counter(inner.values())
    return sorted(name for name, folders in inner.items() if len(folders) > 1 and counts[folders] > 1)


def check_class_names(images_url: str, classes: Sequence[str]) -> None:
    """Raise InputError for class folders that differ by case, spaces or Unicode form only, or cannot be used.

    They are mistakes in nearly every set that has them, and each would take half of a class from the other.
    """
    alike: dict[str, str] = {}
    for name in classes:
        key = " ".join(unicodedata.normalize("NFC", name).casefold().split())
        if key in alike:
            raise InputError(
                "Class folders must differ by more than case, spaces and Unicode form. Received "
                f"{alike[key]!a} and {name!a} in {images_url!r}: rename one of them, or merge the two."
            )
        alike[key] = name
    if reserved := [name for name in classes if name.casefold() in RESERVED]:
        raise InputError(
            f"Class folders must not have the names {names_of(RESERVED)}, which `classify` gives to its own. "
            f"Received {reserved[0]!r} in {images_url!r}: rename it."
        )
