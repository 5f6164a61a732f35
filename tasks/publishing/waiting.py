"""One line about what waits for a person at the end of a run: in its state, the log and the Prefect UI."""

import logging
import os
from typing import TypeVar

from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed, State

from tasks import storage
from tasks.display import try_to_show
from tasks.pages import count, plain
from tasks.review import QUESTIONS, Desk, minutes
from tasks.storage import SERVED

log = logging.getLogger("darkroom")

T = TypeVar("T")


def completed(result: T, store: str, output: str | None = None) -> T | State[T]:
    """The result of a flow; where questions wait for a person, as a state whose message says so.

    output: of a classification; a retraining counts the questions about that of the stack, if there is one.
    """
    line = try_to_show(lambda: tell_waiting(store, output), "what waits for a person")
    return Completed(message=line, data=result) if line else result


def tell_waiting(store: str, output: str | None) -> str:
    """Tell how many questions wait and how long they take. Returns the line; empty where none do."""
    address = storage.review_address(store, output)
    if address and not output:
        output = os.environ.get(SERVED["predictions"])
    questions = len(Desk(store, output, QUESTIONS).ask())
    if not questions:
        return ""
    line = f"{count(questions, 'question')}; about {count(minutes(questions), 'minute')}"
    command = f"darkroom review --store {store}" + (f" --output {output}" if output else "")
    way = f"[Answer them]({address})" if address else f"Answer them: {plain(command)}"
    title = "What waits for a person"
    create_markdown_artifact(f"**{line}.** {way}\n", key="review", description=title)
    log.info("%s: %s", line, address or f"`{command}`")
    return line
