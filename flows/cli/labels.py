"""The `darkroom labels` commands: what people answered about images, in the store, from files, into files."""

from cyclopts import App

from flows.cli.terminal import Store, draw, table, tell
from tasks import storage
from tasks.classification import import_sorted
from tasks.corrections import Answer, corrections_in_force, undo_last
from tasks.dataset import export_labels, import_labels
from tasks.errors import InputError
from tasks.process import person

SHOWN = 100
PROBLEMS_SHOWN = 20

labels = App(name="labels", help="Look at corrected labels, take them from files, write them to files.")


@labels.command(name="list")
def list_labels(*, store: Store = "store") -> None:
    """List the corrections in force, newest last.

    :param store: Folder or URL that holds the labels.
    """
    storage.check_store(store)
    corrections = sorted(corrections_in_force(store).values(), key=lambda answer: answer.at)
    head = ("when, UTC", "class", "folder", "question", "who", "sha256")
    draw(table(head, map(cells, corrections[-SHOWN:])))
    older = f", of which the last {SHOWN} are shown" if len(corrections) > SHOWN else ""
    tell(f"{len(corrections):,} corrections in force{older}", storage.answers_url(store))


@labels.command(name="import")
def import_(file: str | None = None, *, sorted: str | None = None, store: Store = "store") -> None:
    """Take labels from a file, or from what was moved by hand between sorted folders: all at once or none.

    :param file: CSV, Parquet or JSON lines with path or sha256, label and perhaps decision (label or drop)
        and who; or the JSON of Label Studio or COCO.
    :param sorted: Folder that `classify` sorted files into; each file that was moved there is labelled by its
        folder.
    :param store: Folder or URL to record the labels in.
    """
    if (file is None) == (sorted is None):
        raise InputError("Labels are imported from a FILE or from --sorted DIR. Received both or neither.")
    if sorted is not None:
        moves = import_sorted(store, sorted, person())
        recorded, repeated = moves.recorded, moves.repeated
        if moves.taken_back:
            tell("Taken back, since their files were put back", f"{moves.taken_back:,}")
    else:
        result = import_labels(store, str(file), person())
        recorded, repeated = result.recorded, result.repeated
        for problem in result.problems[:PROBLEMS_SHOWN]:
            tell("Not imported", problem)
        if result.problems:
            tell("Rows that are of no use", f"{len(result.problems):,}")
        if result.unanswered:
            tell("Rows without a label", f"{result.unanswered:,}")
    tell(f"{recorded:,} labels recorded, {repeated:,} known before", storage.answers_url(store))


@labels.command
def export(file: str, *, store: Store = "store") -> None:
    """Write the corrections in force to a file, which `labels import` reads.

    :param file: File to write, of a name that ends in .csv, .parquet, .jsonl or .json.
    :param store: Folder or URL that holds the labels.
    """
    storage.check_store(store)
    tell(f"{export_labels(store, file):,} corrections", storage.absolute(file))


@labels.command
def undo(*, sha256: str | None = None, who: str | None = None, store: Store = "store") -> None:
    """Take back what you answered last: one answer, or all that you answered or imported at once.

    :param sha256: Of the file whose last answer is taken back, instead of the last of all.
    :param who: Whose answer is taken back, where not your own.
    :param store: Folder or URL that holds the labels.
    """
    storage.check_store(store)
    answers = undo_last(store, person(), sha256, who)
    first = f"{said(answers[0])} for {answers[0].sha256}"
    tell("Taken back", first + (f" and {len(answers) - 1:,} more" if len(answers) > 1 else ""))


def cells(answer: Answer) -> tuple[str, ...]:
    shown = answer.shown or ""
    return answer.at[:16].replace("T", " "), said(answer), shown, answer.kind, answer.who, answer.sha256


def said(answer: Answer) -> str:
    return answer.label if answer.label is not None else answer.decision
