"""Automations of the Prefect server for runs that fail, crash or go silent.

`python -P -m deployments.automations` writes them to the server. The automation of the drift event stands in
prefect.yaml, with the deployment that it runs.
"""

from datetime import timedelta

from prefect.automations import AutomationCore, ChangeFlowRunState, EventTrigger, Posture, SendNotification
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType

from deployments.settings import POOL, Settings

NOTIFY = "darkroom-notify"  # the block's name
FAILURES = "darkroom: tell of runs that fail or crash"
ZOMBIES = "darkroom: runs without a sign of life have crashed"
HEARTBEAT = "prefect.flow-run.heartbeat"
CANCEL_SECONDS = 30  # the worker gives a cancelled run 10
SILENT_SECONDS = 90  # three of the heartbeats that prefect.yaml asks for
FLOW_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
OURS = {"prefect.resource.role": "work-pool", "prefect.resource.name": POOL}
MESSAGE = """{{ flow_run.name }} ended as {{ flow_run.state.name }}: {{ flow_run.state.message }}
{{ flow_run | ui_url }}"""


def automations_of(settings: Settings) -> list[AutomationCore]:
    """The automations of a stack. Saves the webhook's block, which the notification refers to."""
    automations = [end_zombies()]
    if settings.notify:
        block = CustomWebhookNotificationBlock(
            name=NOTIFY,
            url=settings.notify.get_secret_value(),
            json_data={"text": "{{subject}}\n{{body}}"},
        )
        automations.append(
            tell_of_failures(
                SendNotification(
                    block_document_id=block.save(NOTIFY, overwrite=True),
                    subject="Darkroom: {{ flow_run.name }}",
                    body=MESSAGE,
                )
            )
        )
    return automations


def tell_of_failures(action: SendNotification) -> AutomationCore:
    """Report runs that fail or crash, after CANCEL_SECONDS: a run that a person cancels counts as crashed
    until the worker has ended it.
    """
    return AutomationCore(
        name=FAILURES,
        trigger=EventTrigger(
            after={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            expect={"prefect.flow-run.Cancelled"},
            match=FLOW_RUNS,
            match_related=OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=CANCEL_SECONDS),
        ),
        actions=[action],
    )


def end_zombies() -> AutomationCore:
    """Mark a run as crashed whose heartbeat has stopped: where its process was killed, nothing else would."""
    return AutomationCore(
        name=ZOMBIES,
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={"prefect.flow-run.*"},
            match=FLOW_RUNS,
            match_related=OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENT_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message=f"No sign of life for {SILENT_SECONDS} seconds."
            )
        ],
    )


def bring_up_to_date(client: SyncPrefectClient, automations: list[AutomationCore]) -> None:
    """Create the automations that are missing and change those that differ.

    Equal ones are left alone, since a changed automation forgets the runs that it watches.
    """
    names = {automation.name for automation in automations}
    for name in {FAILURES, ZOMBIES} - names:
        for unwanted in client.read_automations_by_name(name):
            client.delete_automation(unwanted.id)
    for automation in automations:
        there = client.read_automations_by_name(automation.name)
        if not there:
            client.create_automation(automation)
        elif there[0].model_dump(exclude={"id"}) != automation.model_dump():
            client.update_automation(there[0].id, automation)


if __name__ == "__main__":
    with get_client(sync_client=True) as client:
        bring_up_to_date(client, automations_of(Settings()))
