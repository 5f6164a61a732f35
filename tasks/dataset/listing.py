"""Lists a folder of images and labels them, by their folders or by a file of labels; says how in one line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tasks import storage
from tasks.dataset.folders import LabelledFile, label_files
from tasks.dataset.groups import DAY, group_by_pattern
from tasks.dataset.label_file import label_by_file, read_label_file
from tasks.dataset.layout import drawing_in_words, file_in_words, layout_in_words
from tasks.dataset.records import Drawing
from tasks.errors import InputError
from tasks.parameters import Data
from tasks.storage import FileEntry, LeftOut, walk


@dataclass(frozen=True)
class Listing:
    """The labelled files of a folder.

    files: how many there are in all. words: how they were understood, in one line. problems: what in a file
    of labels could not be used, by kind.
    """

    rows: Sequence[LabelledFile]
    files: int
    words: str
    problems: dict[str, list[str]] = field(default_factory=dict)


def label_images(images_url: str, data: Data) -> Listing:
    """List a folder and label its files. Raises InputError where it is empty, or the file cannot be used."""
    left_out = LeftOut()
    files = list_files(images_url, left_out)
    problems: dict[str, list[str]] = {}
    column: str | None = None
    if data.labels:
        labels = read_label_file(storage.absolute(data.labels), data.columns)
        column = data.group_by if data.group_by in labels.names else None
        rows, unusable = label_by_file(files, images_url, labels, column)
        words, problems = file_in_words(labels.url, rows, unusable, left_out), unusable.kinds
    else:
        rows = label_files(files)
        words = layout_in_words(rows, left_out)
    rows = [row for row in rows if row.label is not None]
    if data.group_by and data.group_by != DAY and not column:
        rows = group_by_pattern(rows, data.group_by)
    words += drawing_in_words(rows, drawing_of(rows, data))
    return Listing(rows, len(files), words, problems)


def check_labels_file(data: Data) -> None:
    """Raise InputError where a file of labels cannot be read."""
    if data.labels:
        read_label_file(storage.absolute(data.labels), data.columns)


def drawing_of(rows: Iterable[LabelledFile], data: Data) -> Drawing:
    """How the splits of some files are drawn, as far as the files leave anything to be drawn."""
    is_tested = any(row.split == "test" for row in rows)
    share = 0.0 if is_tested else data.test_share
    return Drawing(share, data.group_by, data.newest_as_test and bool(share))


def list_files(images_url: str, left_out: LeftOut) -> list[FileEntry]:
    """Every file of the folder, sorted by path; InputError when there is none."""
    files = sorted(walk(images_url, left_out), key=lambda file: file.path)
    if not files:
        raise InputError(
            f"`images` must contain image files. Received an empty folder: {images_url!r}"
            + (f"; left out: {left_out}." if left_out else ".")
        )
    return files
