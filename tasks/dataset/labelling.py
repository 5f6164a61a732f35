"""Takes labels from a file into the log of answers, and gives them out."""

import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from tasks import storage
from tasks.corrections import (
    Answer,
    LabelRow,
    check_answer,
    compact_answers,
    corrections_in_force,
    keep_image,
    read_label_rows,
    record_answers,
    write_label_rows,
)
from tasks.dataset.contents import Contents, read_contents
from tasks.errors import InputError

EXPORTED = (
    "path",
    "sha256",
    "decision",
    "label",
    "who",
    "at",
    "shown",
    "suggested",
    "confidence",
    "kind",
    "run",
)


@dataclass(frozen=True)
class Import:
    """What became of the rows of a file: recorded, in force already, without a label, of no use and why."""

    recorded: int
    repeated: int
    unanswered: int
    problems: tuple[str, ...]


def import_labels(store: str, url: str, who: str) -> Import:
    """Record the labels of a file as one entry of the log; rows that cannot be used are told.

    who: where a row does not say it. Images that no dataset holds but the path leads to are kept (see
    `keep_image`). Raises InputError where two rows contradict one another, or none can be used; nothing is
    recorded then.
    """
    url = storage.absolute(url)
    rows, contents = read_label_rows(url), read_contents(store)
    answers: dict[str, tuple[LabelRow, Answer]] = {}
    problems, unanswered = [], 0
    for row in rows:
        if not row.problem and row.decision == "label" and not row.label:
            unanswered += 1
            continue
        try:
            answer = answer_of(row, contents, storage.name_of(url), who)
        except (InputError, OSError) as error:
            problems.append(f"{row.place}: {error}")
            continue
        earlier_row, earlier = answers.setdefault(answer.sha256, (row, answer))
        if (earlier.decision, earlier.label) != (answer.decision, answer.label):
            raise InputError(
                f"A file of labels must not contradict itself. Received {in_words(earlier)} in "
                f"{earlier_row.place} and {in_words(answer)} in {row.place} for the same image, "
                f"{row.path or row.sha256!r}, in {url!r}: nothing was imported."
            )
    if problems and not answers:
        raise InputError(f"Some row must be of use. Received {len(problems):,} that are not: {problems[0]}.")
    recorded, repeated = record_new(store, answers, contents, problems)
    return Import(recorded, repeated, unanswered, tuple(problems))


def record_new(
    store: str, answers: dict[str, tuple[LabelRow, Answer]], contents: Contents, problems: list[str]
) -> tuple[int, int]:
    """Record the answers that are not in force yet; first keep the images that only a path leads to.

    Returns how many were recorded, and how many are in force already; what cannot be kept joins `problems`.
    """
    compact_answers(store)
    in_force = corrections_in_force(store)
    new, repeated = [], 0
    for sha256, (row, answer) in answers.items():
        present = in_force.get(sha256)
        if present and (present.decision, present.label) == (answer.decision, answer.label):
            repeated += 1
            continue
        if sha256 not in contents.by_sha256 and answer.decision == "label" and is_file(row.path):
            try:
                keep_image(store, storage.absolute(row.path), sha256)
            except InputError as error:
                problems.append(f"{row.place}: {error}")
                continue
        new.append(answer)
    record_answers(store, new)
    return len(new), repeated


def answer_of(row: LabelRow, contents: Contents, run: str, who: str) -> Answer:
    """The answer that a row gives; InputError where it gives none."""
    if row.problem:
        raise InputError(row.problem)
    if row.decision not in ("label", "drop"):
        raise InputError(f"`decision` must be label or drop. Received: {row.decision!r}")
    sha256 = row.sha256.lower() or content_of(row.path, contents)
    image = contents.by_sha256.get(sha256)
    answer = Answer(
        sha256=sha256,
        decision=row.decision,
        label=row.label if row.decision == "label" else None,
        shown=image.label if image else None,
        suggested=None,
        confidence=None,
        kind="import",
        run=run,
        who=row.who or who,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        by=who if row.who not in ("", who) else None,
    )
    check_answer(answer)
    return answer


def content_of(path: str, contents: Contents) -> str:
    """The hash of the bytes of the image that a path means: of a dataset, else of a file that is there."""
    candidates = contents.find(path)
    if len(candidates) == 1:
        return candidates.pop()
    if is_file(path):
        return storage.sha256(storage.read_bytes(storage.absolute(path)))
    if candidates:
        raise InputError(f"the path fits {len(candidates)} images: {path!r}")
    raise InputError(f"no dataset of the store has an image of this path, nor is there a file: {path!r}")


def is_file(path: str) -> bool:
    return bool(path) and "://" not in path and os.path.isfile(path)


def export_labels(store: str, url: str) -> int:
    """Write the corrections in force to a file, with the paths that the datasets know; returns how many."""
    contents, corrections = read_contents(store), corrections_in_force(store)
    rows = []
    for answer in sorted(corrections.values(), key=lambda answer: answer.at):
        image = contents.by_sha256.get(answer.sha256)
        rows.append({"path": image.path if image else None} | asdict(answer))
    write_label_rows(storage.absolute(url), rows, EXPORTED)
    return len(rows)


def in_words(answer: Answer) -> str:
    return answer.label if answer.label is not None else answer.decision
