"""The events that the tests' Prefect server has."""

from typing import Any

from prefect.client.orchestration import get_client


def payloads_of(event: str, **filters: Any) -> list[dict[str, Any]]:
    """What events of a name carry, oldest first. filters: more of Prefect's filter of events."""
    query = {"event": {"name": [event]}, "order": "ASC"} | filters
    with get_client(sync_client=True) as client:
        answer = client._client.post("/events/filter", json={"filter": query}).raise_for_status()
    return [event["payload"] for event in answer.json()["events"]]
