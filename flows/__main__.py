"""The `darkroom` command line over the flows."""

import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number
from prefect import Flow
from prefect.exceptions import ParameterTypeError
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import APILogHandler, PrefectConsoleHandler
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deployments.settings import Settings
from deployments.stack import up as start_stack
from flows.classify import classify as classify_flow
from flows.explore import explore as explore_flow
from flows.models import Store, models, tell
from flows.retrain import retrain as retrain_flow
from flows.runtime import prefect_api
from tasks import storage
from tasks.errors import InputError, JobError
from tasks.parameters import Classification, Gate, Leakage, Training
from tasks.publishing import write_overview
from tasks.registry import champion, outdated, package_versions
from tasks.sample import draw_sample

DONE, FAILED, BAD_ARGUMENTS = 0, 1, 2

Command = TypeVar("Command", bound=Callable[..., Any])

app = App(
    name="darkroom",
    help="Keep an image classifier fresh and classify folders of images in bulk.",
    version=package_versions()["darkroom"],
    suppress_keyboard_interrupt=False,
)
app.command(models)


def told_as(flow: Flow) -> Callable[[Command], Command]:
    """Give a command the words of the flow it runs."""

    def told(command: Command) -> Command:
        command.__doc__ = flow.fn.__doc__
        return command

    return told


@app.command
def sample(folder: Path, *, images_per_class: int = 120, seed: int = 0) -> None:
    """Draw the built-in six-class sample dataset.

    :param folder: New or empty folder to draw into.
    :param images_per_class: Images of each class, a fifth of them for test.
    :param seed: Another seed draws other images.
    """
    drawn = draw_sample(str(folder), images_per_class, seed)
    tell(f"{drawn.train:,} train, {drawn.test:,} test and {drawn.unlabelled:,} unlabelled images", drawn.root)


@app.command
@told_as(explore_flow)
def explore(
    *,
    images: str,
    store: Store = "store",
    weights: str = "imagenet",
    leakage: Leakage = "exclude",
    max_bad_share: float = 1.0,
) -> None:
    with prefect_api():
        report = explore_flow(images, store, weights, leakage, max_bad_share)
    tell("Report", report)


@app.command
@told_as(retrain_flow)
def retrain(
    *,
    images: str,
    store: Store = "store",
    training: Annotated[Training, Parameter(name="*")] = Training(),
    gate: Annotated[Gate, Parameter(name="*")] = Gate(),
    leakage: Leakage = "exclude",
    max_bad_share: float = 0.05,
    resume: str | None = None,
) -> None:
    with prefect_api():
        run = retrain_flow(images, store, training, gate, leakage, max_bad_share, resume)
    summary_url = storage.summary_url(run.folder_url)
    summary = storage.read_json(summary_url)
    tell("Summary", summary_url)
    tell("Report", storage.report_url(run.folder_url))
    present = champion(run.store)
    tell(
        f"Champion ({summary['champion']['reason']})",
        storage.version_url(run.store, present) if present else "none",
    )


@app.command
@told_as(classify_flow)
def classify(
    *,
    images: str,
    store: Store = "store",
    output: str,
    model: str = "champion",
    options: Annotated[Classification, Parameter(name="*")] = Classification(),
) -> None:
    with prefect_api():
        summary = classify_flow(images, store, output, model, options)
    tell("Report", storage.report_url(summary["output"]))
    tell(f"{summary['images']:,} rows, {summary['bad']:,} of them bad files", summary["output"])


@app.command
def up() -> None:
    """Start Prefect server, Ray and worker on this machine, deploy everything, and run until Ctrl-C.

    What it works on and where it listens stands in DARKROOM_* variables; the README lists them.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise InputError("; ".join(map(wrong_variable, error.errors()))) from error
    start_stack(settings)


def wrong_variable(found: ErrorDetails) -> str:
    names = "".join(f"DARKROOM_{str(name).upper()}: " for name in found["loc"])
    return names + found["msg"] + (f". Received: {found['input']!r}" if names else "")


@app.command
def clean(
    *,
    store: Store = "store",
    keep_runs: Annotated[int, Parameter(validator=Number(gte=1))] = 30,
    keep_versions: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    dry_run: bool = True,
) -> None:
    """Remove old runs and versions, and datasets that nothing left was made from.

    The champion, its run and all that rollbacks lead to always stay.

    :param store: Folder or URL to clean.
    :param keep_runs: How many of the newest runs stay.
    :param keep_versions: How many of the newest versions stay.
    :param dry_run: Only tell what would be removed.
    """
    if not storage.exists(store):
        raise InputError(f"`store` must be a folder or URL that is there. Received: {store!r}.")
    gone = list(outdated(store, keep_runs, keep_versions))
    for url in gone:
        tell("Would remove" if dry_run else "Removing", url)
        if not dry_run:
            storage.remove(url)
    if not gone:
        print("Nothing to remove.")
    elif dry_run:
        print("Nothing was removed: that takes --no-dry-run.")
    else:
        write_overview(store)


def main() -> None:
    os.environ["PYTHONSAFEPATH"] = "1"  # a user's tasks.py here must not hide ours from children
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line. Returns its exit status: 0 done, 1 the job failed, 2 bad arguments."""
    speak_plainly()
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"darkroom: {in_one_line(error)}", file=sys.stderr)
        return BAD_ARGUMENTS
    except (InputError, JobError) as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return BAD_ARGUMENTS if isinstance(error, InputError) else FAILED
    except ParameterTypeError as error:
        print(f"darkroom: {' '.join(str(error).split())}", file=sys.stderr)
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


def in_one_line(error: CycloptsError) -> str:
    """What was wrong with the arguments; pydantic's findings without their addresses."""
    if isinstance(error.__cause__, ValidationError):
        first = {found["loc"][:1]: found for found in reversed(error.__cause__.errors())}
        return "; ".join(
            "".join(f"--{str(name).replace('_', '-')}: " for name in names)
            + f"{found['msg']}. Received: {found['input']!r}"
            for names, found in first.items()
        )
    return " ".join(str(error).split())


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
    terminal.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    ours.handlers = [terminal, APILogHandler()]


if __name__ == "__main__":
    main()
