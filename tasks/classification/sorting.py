"""Sorts classified files into one folder a class, as copies or links; the originals are not touched."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from tasks import storage
from tasks.classification.job import Job, Part, path_filter
from tasks.classification.rows import read_part
from tasks.errors import InputError

UNSURE = "_unsure"

Method = Literal["copy", "symlink"]


def open_sorting(job: Job) -> None:
    """Make the folder ready: remove what another job sorted there, or files whose images have gone.

    Raises InputError when the folder or the images are not on a local disk, when they lie inside each other,
    or when the folder holds anything that was not sorted from this output.
    """
    target = sorting_target(job)
    if target is None:
        return
    folder, method = target
    if not (storage.is_local(folder) and storage.is_local(job.images_url)):
        raise InputError(f"`{method}_into` needs images and folder on a local disk. Received: {folder!r}.")
    storage.check_apart(job.images_url, folder, f"{method}_into")
    record_url = storage.sorting_url(folder)
    earlier_record = storage.read_json(record_url) if storage.exists(record_url) else None
    if earlier_record["output"] != job.output if earlier_record else storage.names(folder):
        raise InputError(
            f"`{method}_into` must be an empty or new folder, or one that this output was sorted into. "
            f"Received: {folder!r}."
        )
    record = {
        "output": job.output,
        "series": job.plan.series,
        "how": method,
        "folders": class_folders(job),
    }
    if earlier_record == record:
        remove_vanished_files(job, folder)
        return
    # Without _SUCCESS the next tasks run even if every row is there already: they sort the files.
    storage.remove(storage.success_url(job.output))
    for name in earlier_record["folders"] if earlier_record else ():
        storage.remove(storage.join(folder, name))
    storage.write_json(record_url, record)


def remove_vanished_files(job: Job, folder: str) -> None:
    """Remove from the class folders what has a row in the output but is no longer part of the job."""
    is_included = path_filter(job.options)
    for name in storage.names(job.output):
        if not storage.PART_NAME.fullmatch(name):
            continue
        for path in read_part(storage.join(job.output, name), ["path"])["path"].to_pylist():
            if not (is_included(path) and Path(job.images_url, path).exists()):
                remove_from_classes(folder, class_folders(job), path)


def sort_files(part: Part) -> None:
    """Put each classified file of a committed part into the folder of its class and into no other."""
    target = sorting_target(part.job)
    if target is None:
        return
    folder, method = target
    for row in read_part(part.url, ["path", "status", "label"]).to_pylist():
        name = {"ok": row["label"], "unsure": UNSURE}.get(row["status"])
        wrong_folders = [class_folder for class_folder in class_folders(part.job) if class_folder != name]
        remove_from_classes(folder, wrong_folders, row["path"])
        if name:
            with suppress(FileNotFoundError):  # the file has gone since: the next run drops its row
                place_file(Path(part.job.images_url, row["path"]), Path(folder, name, row["path"]), method)


def class_folders(job: Job) -> list[str]:
    return [*job.model.classes, UNSURE]


def remove_from_classes(folder: str, names: Sequence[str], path: str) -> None:
    for name in names:
        Path(folder, name, path).unlink(missing_ok=True)


def place_file(source: Path, destination: Path, method: Method) -> None:
    """Copy or link a file, unless it is there; a copy of other size or time is replaced."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    if method == "symlink":
        if not destination.is_symlink():
            destination.symlink_to(source)
        return
    status = source.stat()
    if destination.exists():
        present_status = destination.stat()
        if (present_status.st_size, present_status.st_mtime) == (status.st_size, status.st_mtime):
            return
    with storage.committing(str(destination)) as partial:
        shutil.copy2(source, partial)


def sorting_target(job: Job) -> tuple[str, Method] | None:
    """The folder to sort into and how, as the options say; None when nothing is to be sorted."""
    options = job.options
    if options.copy_into:
        return options.copy_into, "copy"
    return (options.symlink_into, "symlink") if options.symlink_into else None
