"""What the Prefect server knows of a store: its champion. A disk not mounted looks like a new store."""

from typing import Any

from prefect.runtime import deployment
from prefect.variables import Variable

from tasks import storage
from tasks.errors import InputError
from tasks.registry.promotions import champion


def witness_champion(store: str) -> None:
    """Have the server know the champion of the store that a deployment works on, in a Prefect variable.

    Raises InputError where it knows one and the store has none. Whoever names a store by hand may begin one.
    """
    if not deployment.id:
        return
    store = storage.absolute(store)
    name = f"darkroom_store_{storage.sha256(store.encode())[:16]}"
    version, earlier = champion(store), known_champion(name)
    if earlier and not version:
        raise InputError(
            f"`store` must have a champion, since this Prefect server knew one there, {earlier}. Received "
            f"one without: {store!r}. Is its disk mounted? If a new store is meant: "
            f"remove the Prefect variable {name}."
        )
    if version and version != earlier:
        Variable.set(name, {"store": store, "champion": version}, tags=["darkroom"], overwrite=True)


def known_champion(name: str) -> str | None:
    value: Any = Variable.get(name)
    return value["champion"] if value else None
