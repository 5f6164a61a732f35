"""Shows how far a stage is, in a terminal and as a Prefect progress artifact, and times it."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Protocol, cast
from uuid import UUID

from prefect import Task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect_ray.task_runners import PrefectRayFuture
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flows.waiting import Limit, Poll, do_nothing, no_limit, submit_each, wait_for_each
from tasks import storage
from tasks.display import try_to_show
from tasks.errors import Diverged, JobError, error_in_words
from tasks.parameters import Training
from tasks.storage import Run
from tasks.training import TrainedModel, read_history, read_wait

ARTIFACT_SECONDS = 5.0
NOTED_SECONDS = 5.0  # how much of a stage's time a kill may lose

log = logging.getLogger("darkroom")


class PartResult(Protocol):
    """What the task of a part returns, as far as progress tells it."""

    @property
    def images(self) -> int: ...
    @property
    def bad(self) -> int: ...


class Stages:
    """Times the stages of one run in all of its attempts, and shows their progress.

    run: keeps the times once it has begun, so that it can be resumed; without it they are those of this
    attempt. check: called while a stage is waited for; what it raises ends the wait. started: when the run
    first began, ISO 8601. seconds: by stage. failures: why models are missing, by kind.
    """

    def __init__(self, run: Run | None = None, check: Poll = do_nothing) -> None:
        self._run = run
        self._check = check
        earlier = (
            try_to_show(
                lambda: earlier_stages(run.stages_url if run else None), "the time of earlier attempts"
            )
            or {}
        )
        self.started: str = earlier.get("started") or datetime.now(UTC).isoformat(timespec="seconds")
        self.seconds: dict[str, float] = earlier.get("seconds") or {}
        self.failures: dict[str, str] = {}
        self._noted, self._count = time.monotonic(), do_nothing

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        seconds_before, started = self.seconds.get(name, 0.0), time.monotonic()

        def count() -> None:
            self.seconds[name] = seconds_before + time.monotonic() - started

        self._count = count
        try:
            yield
        finally:
            count()
            self._note()

    def poll(self) -> None:
        """Look after the run while a stage is waited for: whether it may go on, and how long it has taken.

        Ray and Prefect would end without a word where the temporary folder is full.
        """
        self._check()
        storage.check_temporary_room()
        if time.monotonic() - self._noted > NOTED_SECONDS:
            self._count()
            self._note()

    def _note(self) -> None:
        """Keep the times, for a later attempt; a run that is refused before it begins leaves none."""
        with suppress(Exception):  # storage may be away: the next time reaches it
            if self._run and self._run.has_begun():
                record = {"started": self.started, "seconds": self.seconds}
                storage.write_record(self._run.stages_url, record)
        self._noted = time.monotonic()

    def parts(
        self, name: str, task: Task, parts: Sequence[Any], images: int, limit: Limit = no_limit
    ) -> list[Any]:
        """Run a task on each part, counting images and bad files as they come in. Returns results in order.

        limit: how many may be on Ray at a time: Ray runs what waits there in any order, not the first first.
        """
        if not parts:
            return []
        started: list[PrefectRayFuture] = []
        images_done = bad = 0
        with self.stage(name), show_progress(name, images, "images") as show:

            def poll() -> None:
                self.poll()
                show(images_done, f"{bad:,} bad")

            for future in wait_for_each(submit_each(task, parts, started), poll, limit):
                result: PartResult = future.result()
                images_done, bad = images_done + result.images, bad + result.bad
                poll()
            return [future.result() for future in started]

    def trainings(self, futures: Sequence[PrefectRayFuture], run: Run, training: Training) -> list[Any]:
        """Wait for the training of each kind of model. Returns those that did not diverge.

        Raises JobError where all did.
        """
        models = []
        for kind, future in zip(training.models, futures, strict=True):
            try:
                models.append(self.epochs(future, run, kind, training.epochs_of(kind)))
            except Diverged as error:  # a retry would too: the others are no worse for it
                self._fail(kind, str(error))
        return self._survivors(models)

    def evaluations(
        self, futures: Sequence[PrefectRayFuture], run: Run, models: Sequence[TrainedModel]
    ) -> list[Any]:
        """Wait for the evaluation of each model. Returns those that did not fail.

        Raises JobError where all did.
        """
        with self.stage("evaluate"):
            for _ in wait_for_each(futures, self.poll):
                pass
        evaluations = []
        for model, future in zip(models, futures, strict=True):
            try:
                evaluations.append(future.result())
                log.info("Evaluate %s", evaluations[-1])
            except Exception as error:  # storage, Keras, memory: the others are no worse for it
                words = error_in_words(error, run.store)
                again = f"`--resume {run.name}` tries it again"
                self._fail(model.kind, f"Evaluating {model.kind} failed: {words}. {again}.")
        return self._survivors(evaluations)

    def _fail(self, kind: str, words: str) -> None:
        log.error("%s", words)
        self.failures[kind] = words

    def _survivors(self, results: list[Any]) -> list[Any]:
        if not results:
            raise JobError(" ".join(self.failures.values()))
        return results

    def epochs(self, future: PrefectRayFuture, run: Run, kind: str, epochs: int) -> Any:
        """Wait for a training, showing each epoch that it has written to its history. Returns its result."""
        history = storage.history_url(run.kind_url(kind))
        with self.stage("train"), show_progress(f"train {kind}", epochs, "epochs") as show:

            def show_last_epoch() -> None:
                with suppress(Exception):  # read to be shown, twice a second: the next time it may be there
                    if words := read_wait(run, kind):
                        show(len(read_history(history)) if storage.exists(history) else 0, words)
                        return
                    last = read_history(history)[-1]
                    show(int(last["epoch"]), f"validation accuracy {last['val_accuracy']:.3f}")

            def poll() -> None:
                self.poll()
                show_last_epoch()

            for _ in wait_for_each([future], poll):
                show_last_epoch()
            trained = future.result()
        log.info("Trained %s", trained)
        return trained

    def results(self, name: str, futures: Sequence[PrefectRayFuture]) -> list[Any]:
        """Wait for task runs on Ray and log the result of each."""
        with self.stage(name):
            for _ in wait_for_each(futures, self.poll):
                pass
            values = [future.result() for future in futures]
        for value in values:
            log.info("%s %s", name.capitalize(), value)
        return values


@contextmanager
def show_progress(name: str, total: int, unit: str) -> Iterator[Callable[[int, str], None]]:
    """Yield a function that shows how many of `total` are done, and a few words beside the number."""
    columns = [
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]} {task.fields[words]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    ]
    key = name.replace(" ", "-").replace("_", "-")
    artifact = try_to_show(lambda: cast(UUID, create_progress_artifact(0.0, key=key, description=name)), name)
    console = Console(stderr=True)
    started = last_update = time.monotonic()
    last_line = ""
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        row = bar.add_task(name, total=total, unit=unit, words="", left="")

        def show(done: int, words: str) -> None:
            nonlocal last_update, last_line
            left = time_left(time.monotonic() - started, done / total)
            bar.update(row, completed=done, words=words, left=left)
            if time.monotonic() - last_update > ARTIFACT_SECONDS:
                last_update = time.monotonic()
                line = f"{name}: {done:,} of {total:,} {unit}, {words}"
                _update_artifact(artifact, done / total, f"{line}{left and ', '}{left}")
                if not sys.stderr.isatty() and line != last_line:
                    log.info("%s", line)
                    last_line = line

        yield show
    _update_artifact(artifact, 1.0, f"{name}: done")


def time_left(seconds: float, share: float) -> str:
    """How long the rest takes at the speed so far, in words; none before a hundredth is done."""
    if not 0.01 <= share < 1:
        return ""
    left = seconds * (1 - share) / share
    return f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left"


def _update_artifact(artifact: UUID | None, share: float, words: str) -> None:
    """Update a progress artifact. A server that is away is no reason to fail: the next update reaches it."""
    if artifact:
        with suppress(Exception):
            update_progress_artifact(artifact, progress=round(100.0 * min(share, 1.0)), description=words)


def earlier_stages(url: str | None) -> dict[str, Any]:
    """What earlier attempts of a run noted of their time: `started` and `seconds`; nothing where none did."""
    record = (url and storage.json_unless_broken(url)) or {}
    seconds = {str(name): float(value) for name, value in (record.get("seconds") or {}).items()}
    return {"started": record.get("started"), "seconds": seconds}
