"""Sorts classified files into one folder a class, as copies or links; the originals are not touched.

Of what lies in that folder only what was put there is ever moved, replaced or removed, and only while it is
what it was: what a person changed, moved, removed or added stays as the person left it.
"""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from tasks import storage
from tasks.classification.job import Job, Part
from tasks.classification.ledger import (
    LEFT,
    Ledgers,
    Placed,
    link_above,
    placed_at,
    read_ledger,
    write_ledger,
)
from tasks.classification.plan import read_parts
from tasks.classification.rows import UNLIKE, read_part
from tasks.classification.scratch import scratch_database
from tasks.errors import InputError

UNSURE_FOLDER, UNLIKE_FOLDER = NO_CLASS = ("_unsure", "_unlike")
OUR_NAMES = (*NO_CLASS, "_sorted", "_sorted.json")

Method = Literal["copy", "symlink"]


def open_sorting(job: Job) -> None:
    """Make the folder ready: deal out what was put there to the parts of the job, which then set it right.

    Raises InputError when the folder or the images are not on a local disk, when they lie inside each other,
    or when the folder holds anything that was not sorted from this output.
    """
    target = sorting_target(job)
    if target is None:
        return
    folder, method = target
    earlier_record = check_target(job, folder, method)
    record = {
        "output": job.output,
        "how": method,
        "folders": class_folders(job),
        "plan": job.plan.key,
    }
    if earlier_record != record:
        # Without _SUCCESS the next tasks run even if every row is there already: they sort the files.
        storage.remove(storage.success_url(job.output))
        if earlier_record:
            deal_out(job, folder, earlier_record)
        storage.write_json(storage.sorting_url(folder), record)
    for name in storage.names(storage.ledgers_url(folder)):  # older ledgers, copies that killed runs left
        if name != job.plan.key:
            storage.remove(storage.join(storage.ledgers_url(folder), name))


def check_target(job: Job, folder: str, method: Method) -> dict[str, Any]:
    """The record of the folder to sort into; empty for a new one. InputError as `open_sorting` says."""
    if not (storage.is_local(folder) and storage.is_local(job.images_url)):
        raise InputError(f"`{method}_into` needs images and folder on a local disk. Received: {folder!r}.")
    storage.check_apart(job.images_url, folder, f"{method}_into")
    if os.path.islink(storage.ledgers_url(folder)):  # what it leads to would be emptied
        raise InputError(f"`{method}_into` must hold no links. Received: {storage.ledgers_url(folder)!r}.")
    for name in job.model.classes:
        if storage.plain_name(name, "A class to sort into").casefold() in OUR_NAMES:
            raise InputError(
                f"`{method}_into` needs classes of other names. Received {name!r}: train with another."
            )
    record = storage.json_unless_broken(storage.sorting_url(folder)) or {}
    if record.get("output") != job.output if record else storage.names(folder):
        raise InputError(
            f"`{method}_into` must be an empty or new folder, or one that this output was sorted into. "
            f"Received: {folder!r}."
        )
    storage.check_writable(folder, f"{method}_into")
    return record


def deal_out(job: Job, folder: str, record: dict[str, Any]) -> None:
    """Write a ledger for each part of the job's plan, of all that earlier plans have put into the folder."""
    earlier_url = storage.ledgers_url(folder, str(record.get("plan", "")))
    with scratch_database() as database:
        ledgers = Ledgers(database)
        for name in storage.names(earlier_url) if record.get("plan") else ():
            ledgers.add(chain.from_iterable(read_ledger(storage.join(earlier_url, name)).values()))
        ledgers.index()
        for number, files in read_parts(storage.plan_url(job.output)):
            paths = [file.path for file in files]
            placed = list(without_ledger(job, folder, record, paths)) or ledgers.take(paths)
            if placed:
                write_ledger(storage.ledger_url(folder, job.plan.key, part_name(number)), placed)
        if left := list(still_there(folder, ledgers)):
            write_ledger(storage.ledger_url(folder, job.plan.key, LEFT), left)


def without_ledger(job: Job, folder: str, record: dict[str, Any], paths: Sequence[str]) -> Iterator[Placed]:
    """What a version that kept no ledger has put there: what is still the same as the original."""
    if record.get("plan"):
        return
    names = [name for name in record.get("folders", ()) if storage.is_plain_name(str(name))]
    method: Method = "symlink" if record.get("how") == "symlink" else "copy"
    for path in paths:
        for name in names:
            present = placed_at(folder, name, path)
            if present and present == as_put(job, path, name, method):
                yield present


def still_there(folder: str, ledgers: Ledgers) -> Iterator[Placed]:
    """What stays of files that have left the images: every copy. A link that leads nowhere now is removed."""
    for placed in ledgers.rest():
        is_dangling = placed.link is not None and not placed.place(folder).exists()
        if is_dangling and placed.is_untouched(folder):
            placed.place(folder).unlink(missing_ok=True)
        else:
            yield placed


def sort_files(part: Part) -> list[str]:
    """Put each classified file of a committed part into the folder of its class and into no other.

    Returns, in words, which files could not be put there. Raises JobError when the disk takes nothing more.
    """
    target = sorting_target(part.job)
    if target is None:
        return []
    folder, method = target
    url = storage.ledger_url(folder, part.job.plan.key, part_name(part.number))
    ledger, moves = read_ledger(url), {}
    for row in read_part(part.url, ["path", "status", "label"]).to_pylist():
        name = {"ok": row["label"], "unsure": UNSURE_FOLDER, UNLIKE: UNLIKE_FOLDER}.get(row["status"])
        wanted = as_put(part.job, row["path"], name, method) if name else None
        if (name and not wanted) or is_settled(folder, ledger.get(row["path"], []), wanted):
            continue  # the file has gone since: the next run drops its row
        moves[row["path"]] = wanted
    if not moves:
        return []
    write_ledger(url, in_motion(ledger, moves))
    problems: list[str] = []
    for path, wanted in moves.items():
        ledger[path] = move(part.job, folder, ledger.get(path, []), wanted, problems)
    write_ledger(url, [placed for entries in ledger.values() for placed in entries])
    return problems


def is_settled(folder: str, entries: Sequence[Placed], wanted: Placed | None) -> bool:
    """Whether nothing is to be done for a file: all is as wanted, or a person has taken it in hand."""
    if any(placed.done and not placed.is_untouched(folder) for placed in entries):
        return True
    return list(entries) == ([wanted] if wanted else [])


def in_motion(ledger: dict[str, list[Placed]], moves: dict[str, Placed | None]) -> Iterator[Placed]:
    """The ledger as it is written before anything is moved, with what a kill may leave either way."""
    for path in ledger.keys() | moves.keys():
        entries = ledger.get(path, [])
        if path in moves:
            wanted = moves[path]
            entries = [replace(placed, done=False) for placed in (*entries, *([wanted] if wanted else []))]
        yield from entries


def move(
    job: Job, folder: str, entries: Sequence[Placed], wanted: Placed | None, problems: list[str]
) -> list[Placed]:
    """Put one file where it is wanted, and take away what was put of it elsewhere. Returns what is there."""
    untouched = [placed for placed in entries if placed.is_untouched(folder)]
    try:
        with storage.naming_disk(folder):
            is_ours = any(wanted and placed.folder == wanted.folder for placed in untouched)
            present = put(job, folder, wanted, is_ours) if wanted else None
            for placed in untouched:
                if wanted is None or placed.folder != wanted.folder:
                    placed.place(folder).unlink(missing_ok=True)
        return [present] if present else []
    except OSError as error:
        path = wanted.path if wanted else entries[0].path
        if (source := source_of(job, path)) and source.exists():
            problems.append(f"{path}: {error.strerror or error}")
    return untouched


def put(job: Job, folder: str, wanted: Placed, is_ours: bool) -> Placed | None:
    """Copy or link a file to its place, in one step. is_ours: what stands there was put there, unchanged.

    Raises OSError where the place is taken by anything else, or cannot be written.
    """
    present = placed_at(folder, wanted.folder, wanted.path)
    if present == wanted:
        return present if is_ours else None  # a person may have put the very same there
    place = wanted.place(folder)
    if link := link_above(place, wanted.path):
        raise NotADirectoryError(errno.ENOTDIR, f"{link.name} is a link, no folder")
    if os.path.lexists(place) and not is_ours:
        raise FileExistsError(errno.EEXIST, f"{wanted.folder} holds another file of that name")
    partial = Path(storage.ledgers_url(folder), f"partial-{uuid.uuid4().hex}")
    place.parent.mkdir(parents=True, exist_ok=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        if wanted.link is None:
            shutil.copy2(source_of(job, wanted.path), partial)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        else:
            partial.symlink_to(storage.unescape(wanted.link))
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)
    return placed_at(folder, wanted.folder, wanted.path)


def as_put(job: Job, path: str, name: str, method: Method) -> Placed | None:
    """The record of a file put into a class folder unchanged; None where the file has gone."""
    source = source_of(job, path)
    with suppress(OSError):
        status = source.stat()
        if method == "symlink":
            return Placed(path, name, 0, 0, storage.escape(str(source)), True)
        return Placed(path, name, status.st_size, status.st_mtime_ns, None, True)
    return None


def source_of(job: Job, path: str) -> Path:
    return Path(storage.file_url(job.images_url, path))


def class_folders(job: Job) -> list[str]:
    return [*job.model.classes, *NO_CLASS]


def part_name(number: int) -> str:
    return f"part-{number:05d}"


def sorting_target(job: Job) -> tuple[str, Method] | None:
    """The folder to sort into and how, as the options say; None when nothing is to be sorted."""
    options = job.options
    if options.copy_into:
        return options.copy_into, "copy"
    return (options.symlink_into, "symlink") if options.symlink_into else None
