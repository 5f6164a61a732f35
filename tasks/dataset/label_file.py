"""Reads labels, and perhaps splits, groups and times of images, from a file beside them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tasks import storage
from tasks.corrections import LabelRow, is_end, read_label_records
from tasks.dataset.folders import LabelledFile, split_of
from tasks.dataset.problems import Problems
from tasks.errors import InputError
from tasks.parameters import LABEL_COLUMNS
from tasks.storage import FileEntry

OTHER_NAMES = {
    "path": ("path", "id", "file", "filename"),
    "label": ("label", "class"),
}  # the first one counts
NO_FILE, NO_LABEL, NO_ROW = "rows without a file", "rows without a label", "files without a label"
SEVERAL, DOUBLED, NO_SPLIT = "rows that fit several files", "rows that repeat another", "unknown splits"
NO_TIME = "times that are not ISO 8601"

Record = Mapping[str, Any]


@dataclass(frozen=True)
class LabelFile:
    """A file of labels: its rows by our names of the columns, texts all of them, and its own names."""

    url: str
    rows: Sequence[Mapping[str, str]]
    names: tuple[str, ...] = ()
    others: Sequence[Record] = field(default_factory=tuple)


def read_label_file(url: str, columns: Mapping[str, str]) -> LabelFile:
    """Read a file of labels. columns: the file's names of our columns, where they were given.

    Raises InputError where it cannot be read, or has no columns of path and label.
    """
    records = [
        {"path": record.path, "label": record.label} if isinstance(record, LabelRow) else record
        for record in read_label_records(url)
    ]
    names = list(dict.fromkeys(name for record in records for name in record))
    theirs = {ours: columns.get(ours) or _usual_name(ours, names) for ours in LABEL_COLUMNS}
    needed = [theirs[ours] or ours for ours in LABEL_COLUMNS if ours in columns or ours in OTHER_NAMES]
    if absent := [name for name in needed if name not in names]:
        raise InputError(
            "A file of labels must have the columns path and label; `labels_columns` says what they are "
            f"called, such as path=file,label=species. Received no {' and no '.join(absent)} but "
            f"{', '.join(map(str, names)) or 'no rows'} in {url!r}."
        )
    rows = [{ours: _text(record.get(name)) for ours, name in theirs.items() if name} for record in records]
    return LabelFile(url, rows, tuple(map(str, names)), records)


def _usual_name(ours: str, names: Sequence[str]) -> str:
    return next((name for name in OTHER_NAMES.get(ours, (ours,)) if name in names), "")


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def label_by_file(
    files: Sequence[FileEntry], images_url: str, labels: LabelFile, group_column: str | None = None
) -> tuple[list[LabelledFile], Problems]:
    """Give each file what its row says; those without a row have no label. Also: what could not be used.

    A row's path is relative to `images_url` or a URL below it, may lack the ending or some of the outer
    folders, and must then fit one file only. group_column: the file's own name of the column that groups.

    Raises InputError where two rows say different things of one file.
    """
    names, problems = FileNames(files, images_url), Problems()
    rows: dict[str, tuple[int, LabelledFile]] = {}
    for number, row in enumerate(labels.rows, 1):
        if row["path"] and (labelled := _labelled(row, names, problems)):
            if group_column:
                labelled = replace(labelled, group=_text(labels.others[number - 1].get(group_column)) or None)
            earlier_number, earlier = rows.setdefault(labelled.file.path, (number, labelled))
            if earlier_number != number:
                problems.add(DOUBLED, row["path"])
            if earlier != labelled:
                raise InputError(
                    f"A file of labels must not contradict itself. Received {_in_words(earlier)} in row "
                    f"{earlier_number:,} and {_in_words(labelled)} in row {number:,} for the same image, "
                    f"{row['path']!r}, in {labels.url!r}."
                )
    unnamed = [file for file in files if file.path not in rows]
    problems.add_all(NO_ROW, (file.path for file in unnamed))
    rest = [LabelledFile(file, None, "") for file in unnamed]
    return [*(labelled for _, labelled in rows.values()), *rest], problems


def _labelled(row: Mapping[str, str], names: "FileNames", problems: Problems) -> LabelledFile | None:
    """What a row says of its file; None, and counted, where there is no file or no more than its name."""
    candidates = names.find(row["path"])
    if len(candidates) != 1:
        problems.add(SEVERAL if candidates else NO_FILE, row["path"])
        return None
    if not row["label"]:
        problems.add(NO_LABEL, row["path"])
        return None
    split = split_of(row["split"]) if row.get("split") else "train"
    if split not in ("train", "val", "test"):
        problems.add(NO_SPLIT, f"{row['split']} of {row['path']}")
        return LabelledFile(candidates[0], None, "")
    label = storage.plain_name(row["label"], "A class")
    return LabelledFile(candidates[0], label, split, row.get("group") or None, _time(row, problems))


def _time(row: Mapping[str, str], problems: Problems) -> str | None:
    """The time that a row states, ISO text in UTC or, where it has no time zone, as it stands."""
    if not row.get("time"):
        return None
    try:
        time = datetime.fromisoformat(row["time"])
    except ValueError:
        problems.add(NO_TIME, f"{row['time']} of {row['path']}")
        return None
    return (time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time).isoformat()


def _in_words(row: LabelledFile) -> str:
    facts = {"label": row.label, "split": row.split, "group": row.group, "time": row.time}
    return json.dumps({name: value for name, value in facts.items() if value}, ensure_ascii=False)


class FileNames:
    """The files of a folder by what other programs may call them."""

    def __init__(self, files: Iterable[FileEntry], images_url: str):
        self._root = f"{images_url.rstrip('/')}/"
        self._by_path: dict[str, FileEntry] = {}
        self._by_stem: dict[str, list[FileEntry]] = {}
        for file in files:
            self._by_path[file.path] = file
            self._by_stem.setdefault(_without_ending(file.path.rpartition("/")[2]), []).append(file)

    def find(self, path: str) -> list[FileEntry]:
        """The files that a path may mean: the very one, else those that end so, with or without an ending."""
        path = path.replace("\\", "/").removeprefix("file://").removeprefix(self._root).removeprefix("./")
        if path in self._by_path:
            return [self._by_path[path]]
        path = path.partition("://")[2] or path
        name = path.rpartition("/")[2]
        whole = [file for file in self._stem(_without_ending(name)) if is_end(file.path, path)]
        return whole or [file for file in self._stem(name) if is_end(_without_ending(file.path), path)]

    def _stem(self, stem: str) -> list[FileEntry]:
        return self._by_stem.get(stem, [])


def _without_ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and "/" not in ending else name
