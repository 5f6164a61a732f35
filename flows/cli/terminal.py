"""What the commands print: names with places, facts and tables, in a terminal or into a pipe."""

import logging
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = 2  # between columns
Store = Annotated[str, Parameter(env_var="DARKROOM_STORE")]

TEXT_COLUMNS = ("version", "kind", "class")  # which start on the left; numbers end on the right
PIPE_COLUMNS = 160  # letters in a line of what goes to a file or a pipe


def tell(what: str, where: str) -> None:
    print(in_one_line(f"{what}: {where}"))


def tell_start() -> None:
    """Say to a person what takes the next seconds."""
    if sys.stderr.isatty():
        print("Starting Prefect and Ray ...", file=sys.stderr)


def tell_report(url: str) -> None:
    """Say where a report is, and the command that opens it, if it is a file here."""
    tell("Report", url)
    if "://" not in url:
        opener = "open" if sys.platform == "darwin" else "xdg-open"
        tell("To look at it", f"{opener} {shlex.quote(url)}")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    drawn = grid()
    for name in head:
        drawn.add_column(name, no_wrap=True, justify="left" if name.strip() in TEXT_COLUMNS else "right")
    for row in rows:
        drawn.add_row(*map(printable, row))
    drawn.show_header = True
    return drawn


def facts(pairs: Iterable[tuple[str, str]]) -> Table:
    """Names on the left, what is said of them on the right, on as many lines as it takes."""
    drawn = grid()
    drawn.add_column(no_wrap=True, style="dim")
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        drawn.add_row(name, printable(value))
    return drawn


def grid() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=False)


def printable(text: str) -> Text:
    """Text without what would move the cursor or colour the terminal."""
    return Text("".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text))


def in_one_line(text: str) -> str:
    """Text of which no part, such as a file's name, can move the cursor or pass for a line of its own."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


class OneLineFormatter(logging.Formatter):
    """Writes each message in one line; a traceback below it stays as it is."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        time, _, message = super().formatMessage(record).partition("  ")
        return f"{time}  {in_one_line(message)}"


def columns() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_COLUMNS


def draw(what: Table | str) -> None:
    console = Console(width=columns(), highlight=False)
    with console.capture() as drawn:
        console.print(what)
    print("\n".join(line.rstrip() for line in drawn.get().splitlines()))


@contextmanager
def silenced() -> Iterator[None]:
    """Keep from the terminal what TensorFlow's C++ says, which asks no logging of ours."""
    terminal = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
