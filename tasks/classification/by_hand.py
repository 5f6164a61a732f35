"""What people moved by hand between the class folders that files were sorted into: each move is a label."""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from tasks import storage
from tasks.classification.job import Job
from tasks.classification.ledger import Ledgers, Placed, place_of, read_ledger
from tasks.classification.scratch import scratch_database
from tasks.classification.sorting import NO_CLASS, sorting_target
from tasks.corrections import (
    Answer,
    compact_answers,
    keep_image,
    read_answers,
    record_answers,
    standing_decisions,
)
from tasks.errors import InputError

SORTED = "sorted"  # the kind of an answer that a person gave by moving a file

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class Moved:
    """A file that a person moved: where it is now, the class folder it lies in, the one it was put into."""

    place: Path
    label: str
    before: str


def import_sorted(store: str, folder: str, who: str) -> tuple[int, int]:
    """Record every file that was moved by hand as labelled by its folder, in one entry of the log.

    Returns how many were recorded, and how many had been before. The pictures are kept in the store, since
    inbox and folder may be emptied. Raises InputError where nothing was sorted into the folder.
    """
    folder = storage.absolute(folder)
    record = sorting_record(folder)
    compact_answers(store)
    counted, repeated = moves_counted(store), 0
    answers: dict[str, Answer] = {}
    for moved in moved_files(folder, record):
        answer = answer_of(moved, str(record["output"]), who)
        if answers.setdefault(answer.sha256, answer).label != answer.label:
            raise InputError(
                "Copies of one picture must lie in one class folder. "
                f"Received {str(moved.place)!r} and one in {answers[answer.sha256].label!r}: move one."
            )
        if counted.get(answer.sha256) == answer.label:
            repeated += 1
            del answers[answer.sha256]
        else:
            keep_image(store, str(moved.place), answer.sha256)
    record_answers(store, list(answers.values()))
    return len(answers), repeated


def answer_of(moved: Moved, output: str, who: str) -> Answer:
    return Answer(
        sha256=storage.sha256(moved.place.read_bytes()),
        decision="label",
        label=moved.label,
        shown=None,
        suggested=None if moved.before in NO_CLASS else moved.before,
        confidence=None,
        kind=SORTED,
        run=output,
        who=who,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def tell_moved(job: Job, store: str) -> None:
    """Log how many files were moved by hand that do not count as labels yet."""
    target = sorting_target(job)
    if target is None:
        return
    folder, _ = target
    moved = list(moved_files(folder, sorting_record(folder)))
    if moved:
        counted = moves_counted(store)
        answers = (answer_of(file, job.output, "") for file in moved)
        new = sum(counted.get(answer.sha256) != answer.label for answer in answers)
        if new:
            log.warning(
                "%s moved by hand; `darkroom labels import --sorted %s` counts %s",
                "1 file was" if new == 1 else f"{new:,} files were",
                folder,
                "it as a label" if new == 1 else "them as labels",
            )


def moves_counted(store: str) -> dict[str, str | None]:
    """The label of the last move of each content that counts, though another answer may have come since."""
    answers = read_answers(store)
    standing = standing_decisions(zip(answers.entries, answers, strict=True))
    decisions = (answer for on_content in standing.values() for _, answer in on_content)
    return {answer.sha256: answer.label for answer in decisions if answer.kind == SORTED}


def sorting_record(folder: str) -> dict[str, Any]:
    record = storage.json_unless_broken(storage.sorting_url(folder)) or {}
    if not {"output", "plan", "folders"} <= record.keys():
        raise InputError(
            "`sorted` must be a folder that `classify` sorted files into (--copy-into or --symlink-into). "
            f"Received: {folder!r}."
        )
    return record


def moved_files(folder: str, record: Mapping[str, Any]) -> Iterator[Moved]:
    """The files in class folders that were put into another one, where they are no more.

    A file is known again by name and size, or by where its link leads: what a person added is no move, nor
    what lies in `_unsure`, in `_unlike` or in a folder that is no class.
    """
    with scratch_database() as database:
        ledgers = Ledgers(database)
        url = storage.ledgers_url(folder, str(record["plan"]))
        for name in storage.names(url):
            ledgers.add(chain.from_iterable(read_ledger(storage.join(url, name)).values()))
        ledgers.index()
        labels = [label for label in record["folders"] if label not in NO_CLASS]
        files = ((label, path) for label in labels for path in files_below(folder, label))
        for label, path in ledgers.strangers(files):
            place = place_of(folder, label, path)
            for placed in ledgers.of_name(path.rpartition("/")[2]):
                if placed.folder != label and not placed.is_untouched(folder) and is_same(place, placed):
                    yield Moved(place, label, placed.folder)
                    break


def is_same(place: Path, placed: Placed) -> bool:
    """Whether a file looks like one that was put elsewhere."""
    if place.is_symlink():
        return placed.link == storage.escape(os.readlink(place)) and place.is_file()
    return placed.link is None and place.stat().st_size == placed.size


def files_below(folder: str, label: str) -> Iterator[str]:
    """The paths of the files in a class folder, escaped; links to folders are not followed."""
    base = storage.join(folder, label)
    if os.path.islink(base):
        return
    for parent, _, names in os.walk(base):
        for name in names:
            yield storage.escape(os.path.join(parent, name).removeprefix(f"{base}/"))
