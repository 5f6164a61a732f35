"""What every process with this package keeps to, workers of Ray and Prefect too: `tasks` imports it first."""

import logging
import os
import signal
from collections.abc import Iterator
from types import FrameType

from tasks.errors import InputError, JobError

NO_TELEMETRY = {
    "DO_NOT_TRACK": "true",  # Prefect's client; MLflow takes no other word for it
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}
FLOW_RUNS, TASK_RUNS = "prefect.flow_runs", "prefect.task_runs"
COMPLETED, FAILED = "Finished in state Completed()", "Finished in state Failed("
OURS = (InputError, JobError)
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, `kill`, a terminal that was closed


class Ended(KeyboardInterrupt):
    """A signal that ends this process. signal: its number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number

    def notes(self) -> Iterator[str]:
        """What was noted while it passed, also by what it took the place of."""
        error: BaseException | None = self
        while error:
            yield from getattr(error, "__notes__", ())
            error = error.__context__


def end_on_signals() -> None:
    """Have SIGINT, SIGTERM and SIGHUP raise Ended, but where they are ignored, as nohup does."""
    for number in ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    raise Ended(number)


def send_no_telemetry() -> None:
    """Switch off what the libraries send to their makers, where nobody switched it on."""
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)


class OneLine(logging.Filter):
    """Makes one line, the flow run's, of what Prefect logs of an error that says itself what to do.

    Of what went well Prefect says nothing but that, a line for every task run: left out.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OURS):
            record.msg, record.args, record.exc_info = str(error), (), None
            return record.name != TASK_RUNS
        text = record.getMessage()
        return text != COMPLETED and not (
            text.startswith(FAILED) and any(f" {kind.__name__}: " in text for kind in OURS)
        )


def fail_in_one_line() -> None:
    for name in (FLOW_RUNS, TASK_RUNS, "prefect.engine"):
        logging.getLogger(name).addFilter(OneLine())
