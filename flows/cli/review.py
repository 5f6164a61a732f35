"""The command that asks a person about images: `darkroom review`."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from deployments.review import serve
from flows.cli.terminal import Store, tell
from tasks import storage
from tasks.errors import InputError
from tasks.review import QUESTIONS, Desk, minutes


def review(
    *,
    store: Store = "store",
    output: str = "predictions",
    questions: Annotated[int, Parameter(validator=Number(gte=1))] = QUESTIONS,
) -> None:
    """Ask about the images most worth a person's minute, on a page, until Ctrl-C.

    Each answer is kept in the store as soon as it is given; the next retraining learns from them.

    :param store: Folder or URL whose last finished run is asked about, and which keeps the answers.
    :param output: Folder or URL of a classification, for images that the model was not sure of.
    :param questions: How many at most.
    """
    classified = storage.exists(storage.summary_url(output))
    if not classified:
        storage.check_store(store)
    if not classified and not storage.names(storage.runs_url(store)):
        raise InputError(
            "There must be a `store` with a run, or an `output` of `darkroom classify`, to ask about. "
            f"Received: {store!r} and {output!r}: run `darkroom retrain` or `darkroom classify` first."
        )
    desk = Desk(store, output, questions)
    if not (asked := len(desk.ask())):
        print("No questions now: all were answered, or nothing is in doubt.")
        return
    serve(desk, lambda address: tell(f"{asked:,} questions, about {minutes(asked):,} minutes", address))
