"""The commands that run a flow; their parameters, defaults and words are the flow's own."""

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter
from prefect import Flow
from prefect.exceptions import ParameterTypeError
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import APILogHandler, PrefectConsoleHandler
from pydantic import BaseModel

from flows.classify import check_classification
from flows.classify import classify as classify_folder
from flows.cli.terminal import Store, tell, tell_report, tell_start
from flows.earlier import earlier_classification, earlier_result, earlier_retraining
from flows.explore import check_exploration
from flows.explore import explore as explore_images
from flows.retrain import check_retraining
from flows.retrain import retrain as retrain_models
from flows.runtime import prefect_api
from tasks import storage
from tasks.display import try_to_show
from tasks.errors import InputError
from tasks.pages import classification_verdict, labelled_of, retraining_verdict, rightness
from tasks.registry import champion
from tasks.sample import draw_sample
from tasks.storage import Run


def command_of(
    flow: Flow,
    tell_result: Callable[[Any], None],
    check: Callable[..., None],
    find_earlier: Callable[..., Any] | None = None,
) -> Callable[..., None]:
    """A command that runs a flow under a Prefect API and tells what came of it.

    check: is given the flow's parameters before anything is started, and raises for mistakes that show then.
    find_earlier: likewise, and gives the result of an earlier run where this one has nothing to do.
    All parameters are flags; the fields of a parameter that is a pydantic model are flags of their own.
    """

    def command(**parameters: Any) -> None:
        check(**parameters)
        result = find_earlier and earlier_result(flow, find_earlier, parameters)
        tell_result(run_flow(flow, parameters) if result is None else result)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=flag_of(parameter))
        for parameter in inspect.signature(flow.fn, eval_str=True).parameters.values()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = flow.fn.__doc__
    return command


def run_flow(flow: Flow, parameters: dict[str, Any]) -> Any:
    tell_start()
    send_lines_to_prefect()
    with prefect_api():
        try:
            return flow(**parameters)
        except ParameterTypeError as error:
            raise InputError(str(error)) from error


def send_lines_to_prefect() -> None:
    """Send our own lines to Prefect as well, and keep its own from the terminal."""
    setup_logging()
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, PrefectConsoleHandler):
            root.removeHandler(handler)
    logging.getLogger("darkroom").addHandler(APILogHandler())


def flag_of(parameter: inspect.Parameter) -> Any:
    """The annotation of a flow's parameter, as the command line reads it."""
    if parameter.name == "store":
        return Store
    model = getattr(parameter.annotation, "__origin__", parameter.annotation)  # of Folded[model]
    if isinstance(model, type) and issubclass(model, BaseModel):
        group = Group.create_ordered(parameter.name.capitalize(), help=model.__doc__)
        return Annotated[model, Parameter(name="*", group=group)]
    return parameter.annotation


def tell_retraining(run: Run) -> None:
    tell("Summary", storage.summary_url(run.folder_url))
    try_to_show(lambda: tell_champion(run), "the champion")
    tell_report(storage.report_url(run.folder_url))


def tell_champion(run: Run) -> None:
    summary = storage.read_record(storage.summary_url(run.folder_url))
    version = champion(run.store)
    tell("Reason", summary["champion"]["reason"])
    tell(
        f"{retraining_verdict(summary)}; champion",
        storage.version_url(run.store, version) if version else "none",
    )


def tell_classification(summary: dict[str, Any]) -> None:
    tell(f"{summary['images']:,} rows, {summary['bad']:,} of them bad files", summary["output"])
    tell("Verdict", classification_verdict(summary))
    tell(f"{summary['ok']:,} {labelled_of(summary)}", " ".join(rightness(summary)))
    tell_report(storage.report_url(summary["output"]))


def sample(folder: Path, *, images_per_class: int = 120, seed: int = 0) -> None:
    """Draw the built-in six-class sample dataset.

    :param folder: New or empty folder to draw into.
    :param images_per_class: Images of each class, a fifth of them for test.
    :param seed: Another seed draws other images.
    """
    with storage.naming_disk(str(folder)):
        drawn = draw_sample(str(folder), images_per_class, seed)
    tell(
        f"{drawn.train:,} train, {drawn.test:,} test and {drawn.unlabelled:,} unlabelled images", drawn.folder
    )


explore = command_of(explore_images, tell_report, check_exploration)
retrain = command_of(retrain_models, tell_retraining, check_retraining, earlier_retraining)
classify = command_of(classify_folder, tell_classification, check_classification, earlier_classification)
