"""What a run came to and what waits for a person, in one line: in its state, the log and the Prefect UI."""

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


def completed(result: T, folder_url: str, store: str, output: str | None = None) -> State[T]:
    """The result of a flow, as a state that says what it came to and what waits for a person.

    folder_url: of its summary.json and report. output: of a classification; a retraining counts the questions
    about that of the stack, if there is one.
    """
    waiting = try_to_show(lambda: tell_waiting(store, output), "what waits for a person")
    verdict = try_to_show(lambda: tell_verdict(folder_url), "the verdict")
    message = "; ".join(line for line in (verdict, waiting) if line)
    return Completed(message=message or None, data=result)


def tell_verdict(folder_url: str) -> str:
    """Log the verdict of summary.json and the address of the report, last of all. Returns the verdict."""
    verdict: str = storage.read_record(storage.summary_url(folder_url))["verdict"]
    report_url = storage.report_url(folder_url)
    log.info("%s: %s", verdict, storage.address_of(report_url) or report_url)
    return verdict


def tell_waiting(store: str, output: str | None) -> str:
    """Tell how many questions wait and how long they take. Returns the line; empty where none do."""
    address = storage.review_address(store, output)
    if address and not output:
        output = os.environ.get(SERVED["predictions"])
    if not (line := count_questions(store, output)):
        return ""
    way = storage.review_way(store, output)
    answer = f"[Answer them]({way})" if address else f"Answer them: {plain(way)}"
    title = "What waits for a person"
    create_markdown_artifact(f"**{line}.** {answer}\n", key="review", description=title)
    log.info("%s: %s", line, way if address else f"`{way}`")
    return line


def count_questions(store: str, output: str | None) -> str:
    """How many questions wait and how long they take, in words; empty where none do."""
    questions = len(Desk(store, output, QUESTIONS).ask())
    if not questions:
        return ""
    return f"{count(questions, 'question')}; about {count(minutes(questions), 'minute')}"
