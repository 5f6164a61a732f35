"""The `darkroom models` commands: what versions a store has, which is champion and why."""

import sys
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from tasks import registry
from tasks.errors import InputError
from tasks.gate import promote_by_hand
from tasks.overview import write_overview
from tasks.promotions import champion, models_url, roll_back

WIDE = 160  # columns for a table that goes to a file or a pipe

Store = Annotated[str, Parameter(env_var="DARKROOM_STORE")]

models = App(name="models", help="Look at the store's model versions and choose the champion.")


@models.command(name="list")
def list_models(*, store: Store = "store") -> None:
    """List every version; the champion is marked."""
    present = champion(store)
    table = Table("", "version", "created", "test accuracy", "95 %", "dataset", box=None)
    records = registry.list_versions(store)
    if not records:
        raise InputError(
            "The store must hold model versions: run `darkroom retrain` first. "
            f"Received one without: {store!r}."
        )
    for record in records:
        test = record["metrics"]
        table.add_row(
            "*" if record["version"] == present else "",
            record["version"],
            record["created"],
            f"{test['accuracy']:.3f}",
            f"{test['low']:.3f}-{test['high']:.3f}",
            record["dataset"],
        )
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


@models.command
def show(version: str, *, store: Store = "store") -> None:
    """Print all that is known of a version.

    :param version: A version of the store, or `champion`.
    :param store: Folder or URL that holds the models.
    """
    Console().print_json(data=registry.read_record(store, version))


@models.command
def promote(version: str, *, store: Store = "store") -> None:
    """Make a version the champion, past the gate."""
    tell("Champion", models_url(store, promote_by_hand(store, version)))
    write_overview(store)


@models.command
def rollback(*, store: Store = "store") -> None:
    """Make the champion before the present one champion again."""
    tell("Champion", models_url(store, roll_back(store)))
    write_overview(store)


def tell(what: str, where: str) -> None:
    print(f"{what}: {where}")
