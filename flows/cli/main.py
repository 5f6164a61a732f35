"""The `darkroom` command line. What a command needs is imported when it is called: help itself is light."""

import logging
import os
import re
import shlex
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import chdir
from importlib import import_module, metadata
from typing import Any

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter, UnusedCliTokensError
from pydantic import ValidationError

from flows.cli.terminal import OneLineFormatter, in_one_line
from tasks.errors import InputError, JobError
from tasks.process import end_on_signals, ended_by, notes_of, uncollected
from tasks.storage import disk_failure, own_temporary_folder

DONE, FAILED, BAD_ARGUMENTS, SIGNALLED = 0, 1, 2, 128  # SIGNALLED: and the number of the signal

COMMANDS = {
    "flows.cli.jobs:sample": "Draw the built-in six-class sample dataset.",
    "flows.cli.jobs:explore": "Audit and plot a folder of labelled images, training nothing.",
    "flows.cli.jobs:retrain": "Train, judge and perhaps promote the models on a folder of labelled images.",
    "flows.cli.jobs:classify": "Classify every file below a folder, one row a file.",
    "flows.cli.review:review": "Ask about the images most worth a person's minute, on a page, until Ctrl-C.",
    "flows.cli.models:models": "Look at the store's model versions and choose the champion.",
    "flows.cli.labels:labels": "Look at corrected labels, take them from files, write them to files.",
    "flows.cli.stack:up": "Start Prefect server, Ray and worker here, deploy all, and run until Ctrl-C.",
    "flows.cli.stack:join": "Make this machine a node of the stack at an address, until Ctrl-C.",
    "flows.cli.stack:clean": "Remove old runs and versions, and datasets that nothing left was made from.",
}  # where each command is, and the words for it that need nothing imported
SLOW_TO_START = ("explore", "retrain", "classify", "review", "up", "join")
HELP = ("--help", "-h")
IMAGES = "--images"

app = App(
    name="darkroom",
    help="Keep an image classifier fresh and classify folders of images in bulk.",
    version=metadata.version("darkroom"),
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative_iterable=()),  # no --empty-models
)
for place, words in COMMANDS.items():
    app.command(place, name=place.partition(":")[2], help=words)
app.register_install_completion_command(help="Have the shell complete commands and flags on Tab.")


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line. Returns its exit status: 0 done, 1 the job failed, 2 bad arguments."""
    speak_plainly()
    end_on_signals()
    if sys.stderr.isatty() and arguments and arguments[0] in SLOW_TO_START and not set(HELP) & set(arguments):
        print("Starting ...", file=sys.stderr)  # the imports take some seconds
    try:
        with own_temporary_folder():
            import_command(arguments)
            app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"darkroom: {what_was_wrong(error)}", file=sys.stderr)
        return BAD_ARGUMENTS
    except (InputError, JobError) as error:
        print(in_one_line(f"darkroom: {error}"), file=sys.stderr)
        return BAD_ARGUMENTS if isinstance(error, InputError) else FAILED
    except KeyboardInterrupt as error:
        how = next(notes_of(error), "The same command goes on where it stopped.")
        print(in_one_line(f"darkroom: ended by {ended_by().name}. {how}"), file=sys.stderr)
        return SIGNALLED + ended_by()
    except BrokenPipeError:  # who reads our output has seen enough, such as `head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - or Python complains once more at its end
        return DONE
    except Exception as error:
        if failure := disk_failure(error):
            print(in_one_line(f"darkroom: {failure}"), file=sys.stderr)
        else:
            traceback.print_exc()
        return FAILED
    return DONE


def import_command(arguments: Sequence[str]) -> None:
    """Import what a command needs, from a folder that nobody else writes to.

    Prefect and matplotlib read settings from the working folder when they are imported. Who wrote
    `prefect.toml`, `.env` or `pyproject.toml` into a folder of images would else choose the server that
    Prefect obeys, and by its settings of logging run any code.
    """
    with chdir("/"), uncollected():
        for place in COMMANDS:
            module, _, name = place.partition(":")
            if name in arguments[:1]:
                import_module(module)


def what_was_wrong(error: CycloptsError) -> str:
    """What was wrong with the arguments; pydantic's findings without their addresses."""
    if isinstance(error.__cause__, ValidationError):
        first = {problem["loc"][:1]: problem for problem in reversed(error.__cause__.errors())}
        return "; ".join(
            "".join(f"--{str(name).replace('_', '-')}: " for name in names)
            + f"{problem['msg']}. Received: {problem['input']!r}"
            + percent_hint(problem["input"], problem.get("ctx", {}))
            for names, problem in first.items()
        )
    words = in_one_line(stray_word(error) or str(error))
    percent = re.search(r'"[\d.]+ ?%"', words) if "float" in words else None
    return words + (percent_hint(percent[0].strip('"'), {}) if percent else "")


def percent_hint(value: object, limits: Mapping[str, Any]) -> str:
    """How to write a share, where a percentage was given for one: pages show these, flags take shares.

    limits: what the value was held against, as pydantic tells it.
    """
    number = str(value).removesuffix("%").strip()
    if not re.fullmatch(r"\d+(\.\d+)?", number) or not 0 < float(number) <= 100:
        return ""
    if not str(value).endswith("%") and (float(number) <= 1 or 1 not in (limits.get("le"), limits.get("lt"))):
        return ""
    return f" (a share goes from 0 to 1: for {float(number):g} % write {float(number) / 100:g})"


def stray_word(error: CycloptsError) -> str:
    """What to do about a word that no flag takes, as in `darkroom classify photos`; empty for others."""
    words = [word for word in (error.unused_tokens or ()) if not word.startswith("-")]
    if not words:
        return ""
    command = " ".join(["darkroom", *(error.command_chain or ())])
    if isinstance(error, MissingArgumentError) and error.argument and error.argument.name == IMAGES:
        way = f"{command} {IMAGES} {shlex.quote(words[0])}"
        return f"The folder of images must follow its flag: `{way}`. Received: {words[0]!r}."
    if isinstance(error, UnusedCliTokensError):
        return f"`{command}` takes no such word: `{command} --help` lists its flags. Received: {words[0]!r}."
    return ""


def speak_plainly() -> None:
    """Show our own lines, one a stage, on the terminal, and nothing else's."""
    darkroom_log = logging.getLogger("darkroom")
    darkroom_log.setLevel(logging.INFO)
    darkroom_log.propagate = False
    terminal = logging.StreamHandler()
    terminal.setFormatter(OneLineFormatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    darkroom_log.handlers = [terminal]
