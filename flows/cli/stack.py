"""The commands that run a stack on this machine and keep a store small."""

from contextlib import nullcontext
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deployments.node import join as join_stack
from deployments.settings import Settings
from deployments.stack import up as start_stack
from flows.cli.terminal import Store, tell
from tasks import storage
from tasks.errors import InputError
from tasks.publishing import write_overview
from tasks.registry import outdated


def up() -> None:
    """Start Prefect server, Ray and worker here, deploy all, and run until Ctrl-C.

    What it works on and where it listens stands in DARKROOM_* variables; deployments/README.md lists them.
    """
    start_stack(settings_given())


def join(address: str, /) -> None:
    """Make this machine a node of the stack at an address, until Ctrl-C.

    It comes back by itself after a cut link. It needs the stack's password: DARKROOM_PASSWORD, or the file
    `password` in DARKROOM_HOME, copied from the first machine; and its DARKROOM_PORT and DARKROOM_RAY_PORT
    where those are not the usual ones.

    :param address: Name or IPv4 address of the first machine, its DARKROOM_HOST.
    """
    if ":" in address or "/" in address:
        raise InputError(
            "`ADDRESS` must be a name or an IPv4 address, as in the first machine's DARKROOM_HOST; ports "
            f"stand in DARKROOM_PORT and DARKROOM_RAY_PORT. Received: {address!r}."
        )
    join_stack(settings_given(host=address))


def settings_given(**values: str) -> Settings:
    """The settings of the environment, but those given here."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise InputError("; ".join(map(wrong_variable, error.errors()))) from error


def wrong_variable(problem: ErrorDetails) -> str:
    names = "".join(f"DARKROOM_{str(name).upper()}: " for name in problem["loc"])
    return names + problem["msg"] + (f". Received: {problem['input']!r}" if names else "")


def clean(
    *,
    store: Store = "store",
    keep_runs: Annotated[int, Parameter(validator=Number(gte=1))] = 30,
    keep_versions: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    dry_run: bool = True,
) -> None:
    """Remove old runs and versions, and datasets that nothing left was made from.

    The champion, its run and all that rollbacks lead to always stay, as does what a run at work may use.

    :param store: Folder or URL to clean.
    :param keep_runs: How many of the newest runs stay.
    :param keep_versions: How many of the newest versions stay.
    :param dry_run: Only tell what would be removed.
    """
    storage.check_store(store)
    with nullcontext() if dry_run else storage.locked(store, "store") as lock:  # a run that begins waits
        urls = list(outdated(store, keep_runs, keep_versions))
        for url in urls:
            tell("Removing" if lock else "Would remove", url)
            if lock:
                lock.check()
                storage.remove_folder(url)
    if not urls:
        print("Nothing to remove.")
    elif dry_run:
        print("Nothing was removed: that takes --no-dry-run.")
    else:
        write_overview(store)
