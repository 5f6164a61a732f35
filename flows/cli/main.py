"""The `darkroom` command line over the flows."""

import logging
import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from prefect.exceptions import ParameterTypeError
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import APILogHandler, PrefectConsoleHandler
from pydantic import ValidationError

from flows.cli import jobs, stack
from flows.cli.models import models
from flows.cli.terminal import OneLineFormatter, in_one_line
from tasks.errors import InputError, JobError
from tasks.registry import package_versions
from tasks.storage import own_temporary_folder

DONE, FAILED, BAD_ARGUMENTS = 0, 1, 2

app = App(
    name="darkroom",
    help="Keep an image classifier fresh and classify folders of images in bulk.",
    version=package_versions()["darkroom"],
    suppress_keyboard_interrupt=False,
)
for name, command in (jobs.COMMANDS | stack.COMMANDS).items():
    app.command(command, name=name)
app.command(models)


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line. Returns its exit status: 0 done, 1 the job failed, 2 bad arguments."""
    speak_plainly()
    try:
        with own_temporary_folder():
            app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"darkroom: {what_was_wrong(error)}", file=sys.stderr)
        return BAD_ARGUMENTS
    except (InputError, JobError) as error:
        print(in_one_line(f"darkroom: {error}"), file=sys.stderr)
        return BAD_ARGUMENTS if isinstance(error, InputError) else FAILED
    except ParameterTypeError as error:
        print(in_one_line(f"darkroom: {error}"), file=sys.stderr)
        return BAD_ARGUMENTS
    except KeyboardInterrupt:
        print(
            "darkroom: interrupted; the same command goes on where it stopped (retrain: with --resume RUN)",
            file=sys.stderr,
        )
        return FAILED
    except BrokenPipeError:  # who reads our output has seen enough, such as `head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - or Python complains once more at its end
        return DONE
    except Exception:
        traceback.print_exc()
        return FAILED
    return DONE


def what_was_wrong(error: CycloptsError) -> str:
    """What was wrong with the arguments; pydantic's findings without their addresses."""
    if isinstance(error.__cause__, ValidationError):
        first = {problem["loc"][:1]: problem for problem in reversed(error.__cause__.errors())}
        return "; ".join(
            "".join(f"--{str(name).replace('_', '-')}: " for name in names)
            + f"{problem['msg']}. Received: {problem['input']!r}"
            for names, problem in first.items()
        )
    return in_one_line(str(error))


def speak_plainly() -> None:
    """Show our own lines, one a stage, on the terminal, and send them to Prefect; hush the engines'."""
    setup_logging()
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, PrefectConsoleHandler):
            root.removeHandler(handler)
    ours = logging.getLogger("darkroom")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    terminal = logging.StreamHandler()
    terminal.setFormatter(OneLineFormatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    ours.handlers = [terminal, APILogHandler()]
