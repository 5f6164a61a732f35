"""What people moved by hand between the class folders that files were sorted into: each move is a label."""

import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, takewhile
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
    """A file that a person moved: where it is now, the class folder it lies in, and how it was put."""

    place: Path
    label: str
    placed: Placed


@dataclass(frozen=True)
class Imported:
    """What became of moves: labels recorded, known before, and taken back as their files were put back."""

    recorded: int
    repeated: int
    taken_back: int


def import_sorted(store: str, folder: str, who: str) -> Imported:
    """Record every file that was moved by hand as labelled by its folder, in one entry of the log.

    The label of one that lies again where it was put is taken back. The pictures are kept in the store, since
    inbox and folder may be emptied. Raises InputError where nothing was sorted into the folder.
    """
    folder = storage.absolute(folder)
    record = sorting_record(folder)
    compact_answers(store)
    counted, repeated = moves_counted(store), 0
    answers: dict[str, Answer] = {}
    moves = {moved: answer_of(moved, str(record["output"]), who) for moved in moved_files(folder, record)}
    for moved, answer in moves.items():
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
    undone = moves_undone(store, folder, record, moves)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    undos = [undo_of(answer, who, at) for on_content in undone.values() for answer in on_content]
    record_answers(store, [*answers.values(), *undos])
    return Imported(len(answers), repeated, len(undone))


def answer_of(moved: Moved, output: str, who: str) -> Answer:
    return Answer(
        sha256=storage.sha256(moved.place.read_bytes()),
        decision="label",
        label=moved.label,
        shown=None,
        suggested=None if moved.placed.folder in NO_CLASS else moved.placed.folder,
        confidence=None,
        kind=SORTED,
        run=output,
        who=who,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def undo_of(answer: Answer, who: str, at: str) -> Answer:
    by = who if who != answer.author else None
    return replace(answer, decision="undo", label=None, who=answer.author, at=at, by=by)


def tell_moved(job: Job, store: str) -> None:
    """Log how many files were moved by hand that do not count as labels yet, or no more."""
    target = sorting_target(job)
    if target is None:
        return
    folder, _ = target
    record = sorting_record(folder)
    counted = moves_counted(store)
    moves = {moved: answer_of(moved, job.output, "") for moved in moved_files(folder, record)}
    new = sum(counted.get(answer.sha256) != answer.label for answer in moves.values())
    new += len(moves_undone(store, folder, record, moves))
    if new:
        log.warning(
            "%s moved by hand; `darkroom labels import --sorted %s` counts %s",
            "1 file was" if new == 1 else f"{new:,} files were",
            folder,
            "it as a label" if new == 1 else "them as labels",
        )


def moves_counted(store: str) -> dict[str, str | None]:
    """The label of the last move of each content that counts, though another answer may have come since."""
    decisions = (answer for on_content in decisions_in(store).values() for answer in on_content)
    return {answer.sha256: answer.label for answer in decisions if answer.kind == SORTED}


def decisions_in(store: str) -> dict[str, list[Answer]]:
    """The standing decisions on each content, oldest first."""
    standing = standing_decisions(("", answer) for answer in read_answers(store))
    return {content: [answer for _, answer in decisions] for content, decisions in standing.items()}


def moves_undone(
    store: str, folder: str, record: Mapping[str, Any], moves: Mapping[Moved, Answer]
) -> dict[str, list[Answer]]:
    """The standing answers of moves that a person has undone, by content: its file lies where it was put.

    moves: the files that lie elsewhere, and what that says.
    """
    elsewhere = {answer.sha256 for answer in moves.values()}
    counted = last_moves(store, str(record["output"]))
    counted = {content: answers for content, answers in counted.items() if content not in elsewhere}
    sizes = storage.sizes(storage.kept_images_url(store)) if counted else {}
    sought = {size for name, size in sizes.items() if name.partition(".")[0] in counted}
    folders = folders_of_contents(folder, record, sought, moves) if sought else {}
    return {
        content: answers
        for content, answers in counted.items()
        if folders.get(content, answers[0].label) != answers[0].label
    }


def last_moves(store: str, output: str) -> dict[str, list[Answer]]:
    """The answers of moves, newest first, on each content about which nobody has said anything since."""

    def is_move(answer: Answer) -> bool:
        return (answer.kind, answer.run) == (SORTED, output)

    moves = {
        content: list(takewhile(is_move, reversed(answers)))
        for content, answers in decisions_in(store).items()
    }
    return {content: answers for content, answers in moves.items() if answers}


def folders_of_contents(
    folder: str, record: Mapping[str, Any], sizes: Collection[int], moves: Collection[Moved]
) -> dict[str, str]:
    """The class folder of each content of one of these sizes whose file lies where it was put.

    Where a file of the same size has gone nobody knows which content it had: then none of that size counts.
    """
    moved, gone = {(move.placed.path, move.placed.folder) for move in moves}, set[int]()
    contents: dict[str, tuple[int, str]] = {}
    with placed_files(folder, record) as ledgers:
        for placed in ledgers.rest():
            size = size_of(placed)
            if size not in sizes or (placed.path, placed.folder) in moved:
                continue
            if placed.is_untouched(folder):
                contents[storage.sha256(placed.place(folder).read_bytes())] = size, placed.folder
            else:
                gone.add(size)
    return {content: folder for content, (size, folder) in contents.items() if size not in gone}


def size_of(placed: Placed) -> int:
    """The bytes of what was put, or of what a link leads to; 0 where that has gone."""
    if placed.link is None:
        return placed.size
    target = Path(storage.unescape(placed.link))
    return target.stat().st_size if target.is_file() else 0


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
    with placed_files(folder, record) as ledgers:
        labels = [label for label in record["folders"] if label not in NO_CLASS]
        files = ((label, path) for label in labels for path in files_below(folder, label))
        for label, path in ledgers.strangers(files):
            place = place_of(folder, label, path)
            for placed in ledgers.of_name(path.rpartition("/")[2]):
                if placed.folder != label and not placed.is_untouched(folder) and is_same(place, placed):
                    yield Moved(place, label, placed)
                    break


@contextmanager
def placed_files(folder: str, record: Mapping[str, Any]) -> Iterator[Ledgers]:
    """All that was put into a folder."""
    with scratch_database() as database:
        ledgers = Ledgers(database)
        url = storage.ledgers_url(folder, str(record["plan"]))
        for name in storage.names(url):
            ledgers.add(chain.from_iterable(read_ledger(storage.join(url, name)).values()))
        ledgers.index()
        yield ledgers


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
