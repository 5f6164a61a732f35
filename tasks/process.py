"""What every process with this package keeps to, workers of Ray and Prefect too: `tasks` imports it first."""

import gc
import getpass
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tasks.errors import InputError, JobError

NO_TELEMETRY = {
    "DO_NOT_TRACK": "true",  # Prefect's client; MLflow takes no other word for it
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}
BOUNDS_OF_RAY = {
    "RAY_task_oom_retries": "3",  # of a task that it ends for want of memory; without end by default
    # Who waits for a machine that has lost its power hears of it so; by default after 7 minutes. A link that
    # is cut for less than a minute goes on where it was.
    "RAY_grpc_client_keepalive_time_ms": "20000",
    "RAY_grpc_client_keepalive_timeout_ms": "60000",
    # Its agents end with their raylet even where nobody reaps that, as in containers without an init.
    "RAY_enable_pipe_based_agent_to_parent_health_check": "true",
}
FLOW_RUNS, TASK_RUNS = "prefect.flow_runs", "prefect.task_runs"
COMPLETED, FAILED = "Finished in state Completed()", "Finished in state Failed("
OURS = (InputError, JobError)
CANCELLED = "CancelledRun"  # what Prefect raises of a run that ends itself as cancelled
SECONDS_BETWEEN_COLLECTIONS = 0.1
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, `kill`, a terminal that was closed
_ended_by: list[int] = []


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage: among what is just imported is none, and that would take a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def collecting() -> Iterator[None]:
    """Collect garbage all the while, of what is made within.

    Python looks for objects that refer to each other in circles by their number, not by their size: a few
    that hold hundreds of megabytes would stay.
    """
    ended = threading.Event()

    def collect() -> None:
        while not ended.wait(SECONDS_BETWEEN_COLLECTIONS):
            gc.collect()

    collector = threading.Thread(target=collect, daemon=True)
    collector.start()
    gc.freeze()  # so that each time only what is new is looked through
    try:
        yield
    finally:
        ended.set()
        collector.join()
        gc.unfreeze()
        gc.collect()


def end_on_signals() -> None:
    """Have SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, but where they are ignored, as nohup does."""
    for number in ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    _ended_by.append(number)
    raise KeyboardInterrupt


@contextmanager
def restored_signal(number: int) -> Iterator[None]:
    """Take back what a library does to a signal while the block runs. Only the main thread can."""
    handler = signal.getsignal(number)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, handler)


def ended_by() -> signal.Signals:
    """The signal that ends this process."""
    return signal.Signals([signal.SIGINT, *_ended_by][-1])


def person() -> str:
    """Who runs this process, by the name that the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container as a user without a name
        return f"user {os.getuid()}"


def notes_of(error: BaseException | None) -> Iterator[str]:
    """What was noted on an error while it passed, also on those that it took the place of."""
    while error:
        yield from getattr(error, "__notes__", ())
        error = error.__context__


def send_no_telemetry() -> None:
    """Switch off what the libraries send to their makers, where nobody switched it on."""
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)


def bound_ray() -> None:
    """Have Ray try and wait not for ever, unless told otherwise."""
    for name, value in BOUNDS_OF_RAY.items():
        os.environ.setdefault(name, value)


class OneLine(logging.Filter):
    """Makes one line, the flow run's, of what Prefect logs of an end that says itself what to do.

    Of what went well Prefect says nothing but that, a line for every task run: left out.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OURS) or type(error).__name__ == CANCELLED:
            record.msg, record.args, record.exc_info = str(error), (), None
            return record.name != TASK_RUNS
        text = record.getMessage()
        return text != COMPLETED and not (
            text.startswith(FAILED) and any(f" {kind.__name__}: " in text for kind in OURS)
        )


def fail_in_one_line() -> None:
    for name in (FLOW_RUNS, TASK_RUNS, "prefect.engine"):
        logging.getLogger(name).addFilter(OneLine())
