"""A nightly run comes at its hour or waits for the next night, whatever slept or was dead meanwhile."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry, Scheduled

from deployments.nights import missed_night

WORK = "worked"


@flow
def work() -> str:
    return missed_night() or WORK


@pytest.fixture
def client(prefect_api: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def nightly(client: SyncPrefectClient) -> Iterator[UUID]:
    """A deployment that runs every day, at this minute."""
    anchor = datetime.now(UTC) - timedelta(days=30)
    schedule = IntervalSchedule(interval=timedelta(days=1), anchor_date=anchor)
    schedules = [DeploymentScheduleCreate(schedule=schedule, active=True)]
    deployment = client.create_deployment(client.create_flow(work), "nightly", schedules=schedules)
    yield deployment
    client.delete_deployment(deployment)


def scheduled_run(client: SyncPrefectClient, deployment: UUID, ago: timedelta) -> FlowRun:
    """A run that Prefect's own scheduler made for a time in the past, as one that nobody took then."""
    start = datetime.now(UTC) - ago - timedelta(minutes=2)
    end = start + timedelta(minutes=4)
    times = {"start_time": start.isoformat(), "end_time": end.isoformat()}
    client._client.post(
        f"/deployments/{deployment}/schedule", json=times | {"max_runs": 1}
    )  # again when busy
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    runs = client.read_flow_runs(deployment_filter=ours)
    [run] = [run for run in runs if start < run.expected_start_time < end]
    assert run.auto_scheduled
    return run


def execute(client: SyncPrefectClient, flow_run: FlowRun) -> State:
    return run_flow(work, flow_run=client.read_flow_run(flow_run.id), return_type="state")


def test_a_nightly_run_that_would_start_a_day_late_says_so_and_waits_for_the_next_night(client, nightly):
    run = scheduled_run(client, nightly, ago=timedelta(days=1))
    state = execute(client, run)
    assert (state.type, state.name) == ("CANCELLED", "Missed")
    assert "24 h ago" in state.message

    client.set_flow_run_state(run.id, AwaitingRetry(scheduled_time=datetime.now(UTC)), force=True)
    assert execute(client, run).result() == WORK  # a person pressed Retry


def test_a_nightly_run_that_a_person_gives_another_time_or_that_is_a_little_late_starts(client, nightly):
    punctual = scheduled_run(client, nightly, ago=timedelta(0))
    assert execute(client, punctual).result() == WORK
    moved = scheduled_run(client, nightly, ago=timedelta(days=2))
    client.set_flow_run_state(moved.id, Scheduled(scheduled_time=datetime.now(UTC)), force=True)
    assert execute(client, moved).result() == WORK


def test_what_waited_for_another_run_for_hours_is_late_too(client, nightly):
    run = scheduled_run(client, nightly, ago=timedelta(days=1))
    slot = Scheduled(name="AwaitingConcurrencySlot", scheduled_time=datetime.now(UTC))
    client.set_flow_run_state(run.id, slot, force=True)
    assert execute(client, run).name == "Missed"


def test_a_run_that_was_started_by_hand_is_never_missed(client, nightly):
    long_ago = Scheduled(scheduled_time=datetime.now(UTC) - timedelta(days=1))
    run = client.create_flow_run_from_deployment(nightly, state=long_ago)
    assert execute(client, run).result() == WORK
