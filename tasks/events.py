"""The Prefect events that automations wait for: their names, and how they are sent."""

from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import get_client
from prefect.events import Event
from prefect.settings import PREFECT_API_URL

DRIFT = "darkroom.drift"  # about darkroom.model.<version>
LABELLED = "darkroom.labelled"  # about darkroom.store.<digest of where it lies>


def send_event(
    event: str, resource: dict[str, str], payload: dict[str, Any], event_id: UUID | None = None
) -> bool:
    """Send an event to the Prefect server, and return when the server has it.

    Prefect's own `emit_event` returns before, and tells nobody where it fails. event_id: of two events with
    the same one the server heeds the first. Returns False where no server is set (else Prefect would start
    one). Raises what Prefect's client raises where the server is away.
    """
    if not PREFECT_API_URL.value():
        return False
    sent = Event(event=event, resource=resource, payload=payload, id=event_id or uuid4())
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[sent.model_dump(mode="json")])
    return True
