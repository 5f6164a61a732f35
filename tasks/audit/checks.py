"""The checks of a dataset, one entry each: what it finds, what it says, whether that is serious."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.audit.bad_files import file_points, files_are_bad, find_bad_files
from tasks.audit.classes import class_points, classes_are_missing, find_classes
from tasks.audit.copies import copies_spoil, copy_points, find_copies
from tasks.audit.corrections import correction_points, find_corrections
from tasks.audit.origin import find_torn_groups, groups_are_torn, torn_points
from tasks.audit.outliers import find_outliers
from tasks.audit.wrong_labels import label_points, labels_are_wrong

Row = Mapping[str, Any]
Audit = Mapping[str, Any]


def find_nothing(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001
    return {}


def say_nothing(audit: Audit) -> Iterable[str]:  # noqa: ARG001
    return ()


def never(audit: Audit) -> bool:  # noqa: ARG001
    return False


@dataclass(frozen=True)
class Check:
    """One thing that is looked for in a dataset.

    name: also that of the macro in pages/templates/data.html.j2 that shows what was found. title: heads it.
    find: of all rows of an index and the classes, the keys that it adds to audit.json; those under `counts`
    are added to the others' counts. points: of a whole audit, a sentence for each thing to see to. serious:
    whether a dataset with this is not sound.
    """

    name: str
    title: str
    find: Callable[[Sequence[Row], Sequence[str]], dict[str, Any]] = find_nothing
    points: Callable[[Audit], Iterable[str]] = say_nothing
    serious: Callable[[Audit], bool] = never


CHECKS = (
    Check("classes", "Classes", find_classes, class_points, classes_are_missing),
    Check("labels", "Labels that look wrong", points=label_points, serious=labels_are_wrong),
    Check("corrections", "What people put right", find_corrections, correction_points),
    Check("copies", "The same picture more than once", find_copies, copy_points, copies_spoil),
    Check("origin", "Where labels and splits come from", find_torn_groups, torn_points, groups_are_torn),
    Check("outliers", "Outliers", find_outliers),
    Check("files", "Files that cannot be used", find_bad_files, file_points, files_are_bad),
)
