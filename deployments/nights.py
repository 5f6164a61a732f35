"""Nightly runs come at their hour or not at all: what begins hours late leaves it to the next night."""

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.states import Cancelled

LATE = timedelta(hours=1)
NOT_PLANNED = ("Late", "AwaitingConcurrencySlot")  # states of a wait, in which nobody chose another time


def missed_night() -> Any:
    """The state that a flow run returns at once where its schedule wanted it more than LATE ago, else None.

    So it is after the machine slept, or while the stack or its worker was dead: training and classification
    would begin together at any hour. A run that a person started, retried or gave another time is none of it.
    """
    context = FlowRunContext.get()
    if not (context and context.flow_run and context.flow_run.auto_scheduled):
        return None
    delay = datetime.now(UTC) - planned_time(context.flow_run)
    if delay < LATE:
        return None
    hours = f"{delay.total_seconds() / 3600:.0f} h"
    message = f"Its time was {hours} ago: it waits for the next night. Retry, or Run, starts it now."
    return Cancelled(name="Missed", message=message)


def planned_time(flow_run: FlowRun) -> datetime:
    """When a run was to start: as its schedule says, unless a person retried it or gave it another time."""
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(flow_run.id)
    times = [
        state.state_details.scheduled_time or state.timestamp
        for state in states
        if state.is_scheduled() and state.name not in NOT_PLANNED
    ]
    return max(times)
