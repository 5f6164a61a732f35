"""`python -P -m deployments.deploy`: writes prefect.yaml and the automations, but for what a person changed.

Deleting the variables darkroom_* in the Prefect UI makes it forget what it wrote, and write all of it again.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.automations import write_automations
from deployments.baseline import merge, read_baseline, write_baseline
from deployments.services import BIN, ROOT
from deployments.settings import POOL, Settings
from tasks.errors import JobError

FILE = Path(__file__).with_name("prefect.yaml")
BEFORE = "darkroom_before"  # the variable with the deployments as they were, while all is deployed again
SCHEDULE = {"schedule", "active", "parameters", "slug"}

Deployments = Mapping[str, DeploymentResponse]


def deploy(client: SyncPrefectClient, settings: Settings) -> None:
    """Write all deployments and automations, but for what a person changed, which is told."""
    ensure_pool(client)
    present = present_deployments(client)
    before = read_baseline(client, BEFORE) or {name: fields_of(each) for name, each in present.items()}
    write_baseline(client, BEFORE, before)  # whoever ends us between here and there has undone nothing
    run_prefect_deploy(settings)
    for name, deployment in present_deployments(client).items():
        keep_changes(client, name, before.get(name), deployment)
    client.delete_variable_by_name(BEFORE)
    deployments = present_deployments(client)
    for line in what_runs(deployments):
        print(line)
    on_demand = deployments.get("retrain/on-demand")
    for name in write_automations(client, settings, on_demand.id if on_demand else None):
        tell_kept(name, "the automation")


def what_runs(deployments: Deployments) -> Iterator[str]:
    """A line for each deployment: when it runs next, in local time, or how it is started."""
    for name, deployment in deployments.items():
        crons = [each.schedule for each in deployment.schedules if each.active and not deployment.paused]
        dates = [date for cron in crons if isinstance(cron, CronSchedule) for date in next_dates(cron)]
        when = f"next on {min(dates).astimezone():%a %d %b, %H:%M %Z}" if dates else "Run in the UI starts it"
        yield f"Deployed {name}: {when}"


def next_dates(cron: CronSchedule) -> list[datetime]:
    from prefect.server.schemas import schedules  # takes a second

    schedule = schedules.CronSchedule(cron=cron.cron, timezone=cron.timezone)
    return list(asyncio.run(schedule.get_dates(1)))


def ensure_pool(client: SyncPrefectClient) -> None:
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))


def present_deployments(client: SyncPrefectClient) -> Deployments:
    """Those of prefect.yaml that the server has, as `flow/deployment`."""
    deployments = {}
    for entry in yaml.safe_load(FILE.read_text())["deployments"]:
        name = f"{entry['entrypoint'].rpartition('.')[2]}/{entry['name']}"
        try:
            deployments[name] = client.read_deployment_by_name(name)
        except ObjectNotFound:
            continue
    return deployments


def run_prefect_deploy(settings: Settings) -> None:
    """Raises JobError with what `prefect deploy` said if it fails."""
    command = [f"{BIN}/prefect", "--no-prompt", "deploy", "--prefect-file", str(FILE), "--all"]
    environment = {**os.environ, **settings.deployed}
    process = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if process.returncode:
        raise JobError(f"`{' '.join(command)}` failed: {(process.stderr or process.stdout).strip()}")


def keep_changes(
    client: SyncPrefectClient, name: str, before: dict[str, Any] | None, deployed: DeploymentResponse
) -> None:
    """Give a deployment back what a person changed in it before it was deployed again.

    before: its fields then, None where there was none.
    """
    key = f"darkroom_{name}".replace("/", "_").replace("-", "_")
    baseline, current = read_baseline(client, key), fields_of(deployed)
    if before is None:
        if baseline is None:
            write_baseline(client, key, current)
        else:
            client.delete_deployment(deployed.id)
            tell_kept(name, "deleted")
        return
    if baseline is None:  # an older Darkroom's: what is switched off stays off
        baseline = before | {"paused": False, "schedules": before["schedules"] if is_on(before) else None}
    merged = merge(baseline, before, current)
    if changes := {field: value for field, value in merged.items() if value != current[field]}:
        for schedule in deployed.schedules if "schedules" in changes else ():
            client.delete_deployment_schedule(deployed.id, schedule.id)  # a person's may have no slug
        client.update_deployment(deployed.id, DeploymentUpdate(**changes))
        tell_kept(name, ", ".join(changes))
    write_baseline(client, key, current)


def is_on(fields: Mapping[str, Any]) -> bool:
    return not fields["schedules"] or any(schedule["active"] for schedule in fields["schedules"])


def fields_of(deployment: DeploymentResponse) -> dict[str, Any]:
    """What of a deployment a person may change in the UI, as `DeploymentUpdate` takes it."""
    limit, options = deployment.global_concurrency_limit, deployment.concurrency_options
    return {
        "paused": deployment.paused,
        "schedules": [
            schedule.model_dump(mode="json", include=SCHEDULE) for schedule in deployment.schedules
        ],
        "parameters": deployment.parameters,
        "description": deployment.description,
        "tags": deployment.tags,
        "concurrency_limit": limit.limit if limit else None,
        "concurrency_options": options.model_dump(mode="json", exclude_none=True) if options else None,
        "job_variables": deployment.job_variables,
    }


def tell_kept(name: str, what: str) -> None:
    print(f"Kept as it was changed in Prefect: {name} ({what})")


if __name__ == "__main__":
    try:
        with get_client(sync_client=True) as client:
            deploy(client, Settings())
    except JobError as error:
        sys.exit(str(error))
