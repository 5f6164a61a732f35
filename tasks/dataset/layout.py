"""Says in one line how a folder of labelled images was understood, and refuses classes that look alike."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from tasks.dataset.folders import LabelledFile, split_of, tree_of
from tasks.errors import InputError
from tasks.storage import LeftOut

NAMED = 3  # of each kind, in one line
RESERVED = ("_unsure", "_sorted", "_sorted.json")  # names that `classify` gives to folders of its own


def layout_in_words(rows: Sequence[LabelledFile], left_out: LeftOut) -> str:
    """How the folders were read, which classes lack test images or were merged, and what was left out."""
    labelled = [row for row in rows if row.label is not None]
    unlabelled = Counter(row.file.path.partition("/")[0] for row in rows if row.label is None)
    splits = Counter(row.split for row in labelled)
    classes = sorted({str(row.label) for row in labelled})
    sentences = [
        ", ".join(f"{count:,} {split}" for split, count in splits.items())
        + f" of {len(classes):,} classes ({names_of(classes)})",
        *_doubts(labelled, classes, splits),
        f"left out: {_files(unlabelled)}{left_out or ('' if unlabelled else 'nothing')}".rstrip(", "),
    ]
    return "; ".join(sentences)


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
