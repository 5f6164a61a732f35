"""Automations of the Prefect server: for runs that fail, crash or go silent, for drift and for answers."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import cast
from uuid import UUID

from prefect.automations import (
    AutomationCore,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    RunDeployment,
    SendNotification,
)
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import Automation

from deployments.baseline import read_baseline, write_baseline
from deployments.settings import POOL, Settings
from tasks import events

NOTIFY = "darkroom-notify"  # the block's name
FAILURES = "darkroom: tell of runs that fail or crash"
ZOMBIES = "darkroom: runs without a sign of life have crashed"
DRIFT = "darkroom: tell of drift"
LABELLED = "darkroom: retrain when enough answers are in"
RETIRED = "retrain when drift was found"  # an older Darkroom's: it trained on unchanged images
BASELINE = "darkroom_automations"  # digests by name
HEARTBEAT = "prefect.flow-run.heartbeat"
CANCEL_SECONDS = 30  # the worker gives a cancelled run 10
SILENT_SECONDS = 90  # three of the heartbeats that prefect.yaml asks for
FLOW_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
OF_OUR_POOL = {"prefect.resource.role": "work-pool", "prefect.resource.name": POOL}
SUBJECT = "Darkroom: {{ flow_run.name }}"
DRIFT_SUBJECT = "Darkroom: drift"
DRIFT_MESSAGE = """{{ event.payload.words }}
{{ event.payload.report }}"""
MESSAGE = """{{ flow_run.name }} ended as {{ flow_run.state.name }}: {{ flow_run.state.message }}
{{ flow_run | ui_url }}"""


def write_automations(client: SyncPrefectClient, settings: Settings, on_demand: UUID | None) -> list[str]:
    """Create or change ours, but for those that a person changed or deleted. Returns the names of these.

    Equal ones are left alone, since a changed automation forgets the runs that it watches.
    on_demand: the deployment that retrains, if there is one.
    """
    baseline, changed_names = read_baseline(client, BASELINE) or {}, []
    current = {automation.name: automation for automation in automations_of(settings, on_demand, baseline)}
    if not retire(client, baseline):
        changed_names.append(RETIRED)
    for name in (FAILURES, ZOMBIES, DRIFT, LABELLED):
        present = next(iter(client.read_automations_by_name(name)), None)
        if is_changed(present, baseline.get(name)):
            changed_names.append(name)
        else:
            write_automation(client, present, current.get(name))
            baseline[name] = digest(current[name]) if name in current else None
    if settings.notify:
        baseline[NOTIFY] = digest(settings.notify.get_secret_value())
    write_baseline(client, BASELINE, baseline)
    return changed_names


def retire(client: SyncPrefectClient, baseline: dict[str, str | None]) -> bool:
    """Remove the automation that Darkroom has no more. False where a person changed it: then it stays.

    One that is there though we never wrote it, or have removed it, is a person's.
    """
    present = next(iter(client.read_automations_by_name(RETIRED)), None)
    written = baseline.get(RETIRED)
    if present and (written or not baseline):
        if is_changed(present, written):
            return False
        client.delete_automation(present.id)
    baseline.pop(RETIRED, None)
    return True


def is_changed(present: Automation | None, written: str | None) -> bool:
    """Whether a person changed or deleted what was written, or switched off what an older Darkroom wrote."""
    if present is None:
        return written is not None
    return not present.enabled if written is None else digest(present) != written


def write_automation(
    client: SyncPrefectClient, present: Automation | None, current: AutomationCore | None
) -> None:
    if present is None:
        if current:
            client.create_automation(current)
    elif current is None:
        client.delete_automation(present.id)
    elif digest(present) != digest(current):
        client.update_automation(present.id, current)


def digest(value: AutomationCore | str) -> str:
    """The same for equal automations, with an id or without."""
    plain = value if isinstance(value, str) else value.model_dump(exclude={"id"})
    text = json.dumps(plain, sort_keys=True, default=in_order)
    return hashlib.sha256(text.encode()).hexdigest()


def in_order(value: object) -> object:
    return sorted(value) if isinstance(value, set) else str(value)


def automations_of(
    settings: Settings, on_demand: UUID | None, baseline: Mapping[str, str | None]
) -> Iterator[AutomationCore]:
    """The automations of a stack. Saves the webhook's block, which the notification refers to."""
    yield end_zombies()
    if on_demand:
        yield retrain_on_answers(on_demand)
    if settings.notify:
        block_id = webhook(settings.notify.get_secret_value(), baseline.get(NOTIFY))
        yield tell_of_drift(
            SendNotification(block_document_id=block_id, subject=DRIFT_SUBJECT, body=DRIFT_MESSAGE)
        )
        yield tell_of_failures(SendNotification(block_document_id=block_id, subject=SUBJECT, body=MESSAGE))


def webhook(url: str, written: str | None) -> UUID:
    """The id of the webhook's block; one of the same URL stays as a person made it."""
    if written == digest(url):
        with suppress(ValueError):  # it was deleted
            block = cast(CustomWebhookNotificationBlock, CustomWebhookNotificationBlock.load(NOTIFY))
            return cast(UUID, block._block_document_id)
    block = CustomWebhookNotificationBlock(name=NOTIFY, url=url, json_data={"text": "{{subject}}\n{{body}}"})
    return cast(UUID, block.save(NOTIFY, overwrite=True))


def tell_of_failures(action: SendNotification) -> AutomationCore:
    """Report runs that fail or crash, after CANCEL_SECONDS: a run that a person cancels counts as crashed
    until the worker has ended it.
    """
    return AutomationCore(
        name=FAILURES,
        description=f"Tells the webhook of a run that fails or crashes, {CANCEL_SECONDS} seconds later.",
        trigger=unfollowed(
            {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            {"prefect.flow-run.Cancelled"},
            CANCEL_SECONDS,
        ),
        actions=[action],
    )


def end_zombies() -> AutomationCore:
    """Mark a run as crashed whose heartbeat has stopped: where its process was killed, nothing else would."""
    return AutomationCore(
        name=ZOMBIES,
        description=f"Marks a run as crashed that has given no sign of life for {SILENT_SECONDS} seconds.",
        trigger=unfollowed({HEARTBEAT}, {"prefect.flow-run.*"}, SILENT_SECONDS),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message=f"No sign of life for {SILENT_SECONDS} seconds."
            )
        ],
    )


def unfollowed(after: set[str], expected: set[str], seconds: float) -> EventTrigger:
    """Fires for a flow run of ours of which for so long after an event none of those expected has come."""
    return EventTrigger(
        after=after,
        expect=expected,
        match=FLOW_RUNS,
        match_related=OF_OUR_POOL,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=seconds),
    )


def tell_of_drift(action: SendNotification) -> AutomationCore:
    """Report drift. It starts no retraining: the labelled images are the same as before."""
    words = "Tells the webhook when what is classified drifts from what the model was judged on."
    return at_each(events.DRIFT, "darkroom.model.*", DRIFT, words, action)


def retrain_on_answers(on_demand: UUID) -> AutomationCore:
    """Retrain when people have answered enough questions (see `announce_labels`)."""
    words = "Starts retrain/on-demand when people have answered DARKROOM_RETRAIN_ANSWERS questions."
    action = RunDeployment(deployment_id=on_demand)
    return at_each(events.LABELLED, "darkroom.store.*", LABELLED, words, action)


def at_each(
    event: str, resource: str, name: str, description: str, action: SendNotification | RunDeployment
) -> AutomationCore:
    """An automation that acts at each event of a kind, about resources of an id like `resource`."""
    return AutomationCore(
        name=name,
        description=description,
        trigger=EventTrigger(
            match={"prefect.resource.id": resource},
            expect={event},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[action],
    )
