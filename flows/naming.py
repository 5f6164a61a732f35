"""Names of flow runs in the Prefect UI and of runs in the store."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import coolname.data
from prefect.context import FlowRunContext
from prefect.runtime import flow_run

from tasks import storage
from tasks.errors import InputError
from tasks.storage import Run

GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|omicron|pi|rho|sigma|tau|upsilon|"
    "phi|chi|psi|omega"
)
ADJECTIVES = (
    "Awesome|Rustic|Small|Gorgeous|Fantastic|Sleek|Intelligent|Unbranded|Refined|Licensed|Generic|Practical|"
    "Ergonomic|Handcrafted|Tasty|Handmade|Incredible"
)  # before an animal of at most six letters: Prefect's newer UI; its older one has letters and stars
MADE_UP_BY_FORM = re.compile(rf"({ADJECTIVES})-\w[\w' -]{{0,5}}|({GREEK})\d*(-[\w']+)+")
IN_STORE = ("retrain", "explore")  # the flows whose runs have a folder there

log = logging.getLogger("darkroom")


def run_title() -> str:
    """The name that a flow run gets in the Prefect UI: the one a person typed; else such as
    `classify-inbox-2026-11-22`, or of a run with a folder in the store, that folder's.
    """
    given = str(flow_run.name or "")
    if given and not is_made_up(given):
        return given
    if flow_run.flow_name in IN_STORE:
        return str(flow_run.parameters.get("resume") or run_name())
    folder = storage.name_of(storage.absolute(flow_run.parameters["images"]))
    return f"{flow_run.flow_name}-{folder}-{datetime.now(UTC):%Y-%m-%d}"


def is_made_up(name: str) -> bool:
    """Whether Prefect made up the name, such as `smiling-zebra`; its forms, `Practical-Akita` and
    `phi493-zetar-anomaly`.
    """
    lists: Any = coolname.data.config
    words = name.split("-")
    return bool(MADE_UP_BY_FORM.fullmatch(name)) or (
        len(words) == 2
        and set(words) <= {word for entry in lists.values() for word in entry.get("words", ())}
    )


def run_name() -> str:
    """The name of this flow run's folder in the store, the same however often it is retried."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("A run has a name in a flow run only.")
    start = context.flow_run.expected_start_time or datetime.now(UTC)  # stays, when the run is retried
    return f"{start:%Y-%m-%dT%H-%M-%S}-{context.flow_run.id.hex[-4:]}"


def run_of(store: str, resume: str | None = None) -> Run:
    """The run to resume, else one named after the flow run, the same however often that is retried.

    Raises InputError when there is no run of that name.
    """
    store = storage.absolute(store)
    if resume:
        if not Run(resume, store).has_begun():
            names = storage.names(storage.runs_url(store))
            resumable = ", ".join(name for name in names if Run(name, store).has_begun()) or "none"
            raise InputError(f"`resume` must name a run of the store ({resumable}). Received: {resume!r}.")
        return Run(resume, store)
    run = Run(run_name(), store)
    log.info("Run %s", run.name)
    return run


@contextmanager
def resumable(run: Run) -> Iterator[None]:
    """Note on a signal that ends the block how the run goes on."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception):
            error.add_note(f"The same command with `--resume {run.name}` goes on with it.")
        raise
