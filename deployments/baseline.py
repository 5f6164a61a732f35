"""What Darkroom last wrote to a Prefect server, kept there in variables: what differs, a person changed."""

from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import VariableCreate, VariableUpdate


def read_baseline(client: SyncPrefectClient, name: str) -> dict[str, Any] | None:
    """What was written under a name, or None if nothing was, or a person deleted the variable."""
    variable = client.read_variable_by_name(name)
    return variable.value if variable and isinstance(variable.value, dict) else None


def write_baseline(client: SyncPrefectClient, name: str, value: dict[str, Any]) -> None:
    if client.read_variable_by_name(name):
        client.update_variable(VariableUpdate(name=name, value=value))
    else:
        client.create_variable(VariableCreate(name=name, value=value))


def merge(baseline: Any, present: Any, current: Any) -> Any:
    """The current value, but for fields that a person changed: there `present` differs from `baseline`.

    >>> merge({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 3, "b": 3})
    {'a': 3, 'b': 2}
    """
    if not all(isinstance(value, dict) for value in (baseline, present, current)):
        return current if present == baseline else present
    merged = {
        key: merge(baseline.get(key), present.get(key), current.get(key))
        for key in current | present | baseline
    }
    return {key: value for key, value in merged.items() if key in current or key in present}
