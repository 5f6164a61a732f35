"""Sorts classified files into a folder a class, as copies or links; the originals are not touched."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from tasks import storage
from tasks.classification.job import Job, Part, chooser
from tasks.classification.rows import read_part
from tasks.errors import InputError

UNSURE = "_unsure"

How = Literal["copy", "symlink"]


def open_sorting(job: Job) -> None:
    """Make the folder ready: what another model sorted there is removed, and what has gone from the images.

    Raises InputError when it holds anything else, or cannot be linked from.
    """
    target = target_of(job)
    if target is None:
        return
    folder, how = target
    if not (storage.is_local(folder) and storage.is_local(job.root)):
        raise InputError(f"`{how}_into` needs images and folder on a local disk. Received: {folder!r}.")
    storage.check_apart(job.root, folder, f"{how}_into")
    record = storage.sorting_url(folder)
    found = storage.read_json(record) if storage.exists(record) else None
    if found["output"] != job.output if found else storage.names(folder):
        raise InputError(
            f"`{how}_into` must be an empty or new folder, or one that this output was sorted into. "
            f"Received: {folder!r}."
        )
    mine = {
        "output": job.output,
        "series": job.plan.series,
        "how": how,
        "folders": class_folders(job),
    }
    if found == mine:
        remove_gone(job, folder)
        return
    storage.remove(storage.success_url(job.output))
    for name in found["folders"] if found else ():
        storage.remove(storage.join(folder, name))
    storage.write_json(record, mine)


def remove_gone(job: Job, folder: str) -> None:
    """Take out of the class folders what earlier rows put there and the job does not classify any more."""
    chosen = chooser(job.options)
    for name in storage.names(job.output):
        if not storage.PART_NAME.fullmatch(name):
            continue
        for path in read_part(storage.join(job.output, name), ["path"])["path"].to_pylist():
            if not (chosen(path) and Path(job.root, path).exists()):
                remove_from(folder, class_folders(job), path)


def sort_files(part: Part) -> None:
    """Put each classified file of a committed part below its class and no other, as it is now."""
    target = target_of(part.job)
    if target is None:
        return
    folder, how = target
    for row in read_part(part.url, ["path", "status", "label"]).to_pylist():
        name = {"ok": row["label"], "unsure": UNSURE}.get(row["status"])
        remove_from(folder, [other for other in class_folders(part.job) if other != name], row["path"])
        if name:
            with suppress(FileNotFoundError):  # the file has gone since: the next run drops its row
                put(Path(part.job.root, row["path"]), Path(folder, name, row["path"]), how)


def class_folders(job: Job) -> list[str]:
    return [*job.model.classes, UNSURE]


def remove_from(folder: str, names: Sequence[str], path: str) -> None:
    for name in names:
        Path(folder, name, path).unlink(missing_ok=True)


def put(source: Path, place: Path, how: How) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if how == "symlink":
        if not place.is_symlink():
            place.symlink_to(source)
        return
    status = source.stat()
    if place.exists() and (place.stat().st_size, place.stat().st_mtime) == (status.st_size, status.st_mtime):
        return
    with storage.committing(str(place)) as partial:
        shutil.copy2(source, partial)


def target_of(job: Job) -> tuple[str, How] | None:
    options = job.options
    if options.copy_into:
        return options.copy_into, "copy"
    return (options.symlink_into, "symlink") if options.symlink_into else None
