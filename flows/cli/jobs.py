"""The commands that run a flow; their parameters, defaults and words are the flow's own."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from prefect import Flow
from pydantic import BaseModel

from flows.classify import check_classification, classify
from flows.cli.terminal import Store, tell
from flows.explore import check_exploration, explore
from flows.retrain import check_retraining, retrain
from flows.runtime import prefect_api
from tasks import storage
from tasks.display import try_to_show
from tasks.registry import champion
from tasks.sample import draw_sample
from tasks.storage import Run


def command_of(
    flow: Flow, tell_result: Callable[[Any], None], check: Callable[..., None] | None = None
) -> Callable[..., None]:
    """A command that runs a flow under a Prefect API and tells what came of it.

    check: is given the flow's parameters before anything is started, and raises for mistakes that show then.
    All parameters are flags; the fields of a parameter that is a pydantic model are flags of their own.
    """

    def command(**parameters: Any) -> None:
        if check:
            check(**parameters)
        with prefect_api():
            result = flow(**parameters)
        tell_result(result)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=flag_of(parameter))
        for parameter in inspect.signature(flow.fn, eval_str=True).parameters.values()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = flow.fn.__doc__
    return command


def flag_of(parameter: inspect.Parameter) -> Any:
    """The annotation of a flow's parameter, as the command line reads it."""
    if parameter.name == "store":
        return Store
    if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, BaseModel):
        return Annotated[parameter.annotation, Parameter(name="*")]
    return parameter.annotation


def tell_retraining(run: Run) -> None:
    tell("Summary", storage.summary_url(run.folder_url))
    tell("Report", storage.report_url(run.folder_url))
    try_to_show(lambda: tell_champion(run), "the champion")


def tell_champion(run: Run) -> None:
    reason = storage.read_record(storage.summary_url(run.folder_url))["champion"]["reason"]
    version = champion(run.store)
    tell(f"Champion ({reason})", storage.version_url(run.store, version) if version else "none")


def tell_classification(summary: dict[str, Any]) -> None:
    tell("Report", storage.report_url(summary["output"]))
    tell(f"{summary['images']:,} rows, {summary['bad']:,} of them bad files", summary["output"])


def sample(folder: Path, *, images_per_class: int = 120, seed: int = 0) -> None:
    """Draw the built-in six-class sample dataset.

    :param folder: New or empty folder to draw into.
    :param images_per_class: Images of each class, a fifth of them for test.
    :param seed: Another seed draws other images.
    """
    drawn = draw_sample(str(folder), images_per_class, seed)
    tell(
        f"{drawn.train:,} train, {drawn.test:,} test and {drawn.unlabelled:,} unlabelled images", drawn.folder
    )


COMMANDS: dict[str, Callable[..., None]] = {
    "sample": sample,
    "explore": command_of(explore, lambda report: tell("Report", report), check_exploration),
    "retrain": command_of(retrain, tell_retraining, check_retraining),
    "classify": command_of(classify, tell_classification, check_classification),
}
