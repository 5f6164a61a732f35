"""The log of promotions: who is champion, was, and is held by hand. Of racing runs only one can append."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks import storage
from tasks.ahead import map_requests
from tasks.errors import InputError, JobError
from tasks.networks import weights_sha256
from tasks.process import person

BY_HAND = "promoted by hand"  # how the reason of a person's promotion begins


def read_promotions(store: str) -> list[dict[str, Any]]:
    """Every promotion, rollback, hold and release of a store, oldest first.

    Raises JobError for an entry that is damaged: without it nobody knows who is champion.
    """
    return map_requests(read_kept, promotion_urls(store))


def promotion_urls(store: str) -> list[str]:
    """The entries of the log, oldest first."""
    folder_url = storage.promotions_url(store)
    return [storage.join(folder_url, name) for name in storage.names(folder_url)]


def last_promotion(store: str) -> dict[str, Any] | None:
    """The log's last entry, whose version is champion whatever its action; None where there is none.

    It costs one listing (of S3 a request for each 1,000 entries) and one file, however long the log is.
    """
    urls = promotion_urls(store)
    return read_kept(urls[-1]) if urls else None


def read_kept(url: str) -> dict[str, Any]:
    """A record of the registry, which nothing makes again; JobError where it is damaged."""
    try:
        return dict(storage.read_record(url))
    except InputError:  # of a newer Darkroom
        raise
    except (ValueError, TypeError, AttributeError) as error:
        raise JobError(
            f"Records of versions and promotions must be whole. Received a damaged one, {url!r} ({error}): "
            "restore it from a backup of the store's `models`."
        ) from error


def champion_stack(entries: Sequence[dict[str, Any]]) -> list[str]:
    """The versions that rollbacks can return to, oldest first, and the present champion last."""
    stack: list[str] = []
    for entry in entries:
        if entry["action"] == "rollback":
            stack.pop()
        elif entry["action"] == "promote":
            stack.append(entry["version"])
    return stack


def replaced_by_hand(entries: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Former champions that a person replaced and nobody promoted since, each with the entry that did it."""
    replaced: dict[str, dict[str, Any]] = {}
    stack: list[str] = []
    for entry in entries:
        if entry["action"] == "rollback":
            replaced[stack.pop()] = entry
            replaced.pop(entry["version"], None)
        elif entry["action"] == "promote":
            if stack and not is_promotion_by_run(entry):
                replaced[stack[-1]] = entry
            replaced.pop(entry["version"], None)
            stack.append(entry["version"])
    return replaced


def is_promotion_by_run(entry: Mapping[str, Any]) -> bool:
    return entry["action"] == "promote" and not entry["reason"].startswith(BY_HAND)


def hold_reason(entries: Sequence[dict[str, Any]]) -> str | None:
    """Why a person holds the champion against every challenger; None where nobody does."""
    holds = [entry for entry in entries if entry["action"] in ("hold", "release")]
    return holds[-1]["reason"] if holds and holds[-1]["action"] == "hold" else None


def champion(store: str) -> str | None:
    """The version that is champion now; None in a store without one."""
    entry = last_promotion(store)
    return entry["version"] if entry else None


def append_promotion(
    store: str,
    entries_read: int,
    action: str,
    version: str,
    reason: str,
    more: Mapping[str, Any] | None = None,
) -> bool:
    """Append an entry about `version` to the log. False, and nothing changes, if it has grown since.

    entries_read: how many entries the decision was made on. action: promote, rollback, hold or release. more:
    what else the entry says.

    The compare-and-swap is the exclusive creation of the log's next entry: a hard link on local disks, a
    PUT with If-None-Match on S3 (`storage.create_json`). Darkroom itself reads only the log; champion.json
    repeats its last entry for other readers, and may be one behind where a process was killed in between.
    """
    entry = {
        "action": action,
        "version": version,
        "reason": reason,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "id": uuid.uuid4().hex,  # no two racing writers write the same
        **(more or {}),
    }
    appended = storage.create_json(storage.promotion_url(store, entries_read + 1), entry)
    write_champion(store)
    return appended


def write_champion(store: str) -> None:
    """Write the log's last entry to champion.json, again if another was appended meanwhile."""
    entry_written = None
    while (last_entry := last_promotion(store)) != entry_written:
        storage.write_json(storage.champion_url(store), last_entry)
        entry_written = last_entry


def roll_back(store: str, reason: str = "") -> str:
    """Make the champion before the present one champion again. Returns its version.

    Raises InputError where there was none before or its files are gone, JobError where another promotion came
    in between.
    """
    entries = read_promotions(store)
    stack = champion_stack(entries)
    if len(stack) < 2:
        raise InputError(
            f"Rollback needs a champion before the present one. Received a store with {len(stack)}."
        )
    if not storage.exists(storage.version_record_url(storage.version_url(store, stack[-2]))):
        raise InputError(
            f"Rollback needs the files of the champion before the present one. {stack[-2]!r} is not in the "
            "store: restore it from a backup, or `darkroom models promote VERSION` another."
        )
    why = f"rolled back from {stack[-1]}" + (f": {reason}" if reason else "")
    append_by_hand(store, entries, "rollback", stack[-2], why)
    return stack[-2]


def hold_champion(store: str, reason: str = "") -> str:
    """Let no run replace the champion until `release_champion`. Returns the champion's version.

    Raises InputError where there is no champion or it is held already.
    """
    entries = read_promotions(store)
    stack = champion_stack(entries)
    if not stack:
        raise InputError(f"The store must have a champion to hold. Received one without: {store!r}.")
    if hold_reason(entries) is not None:
        raise InputError(f"The champion must not be held already. Received one held: {hold_reason(entries)}.")
    append_by_hand(store, entries, "hold", stack[-1], "held by hand" + (f": {reason}" if reason else ""))
    return stack[-1]


def release_champion(store: str, reason: str = "") -> str:
    """Let runs replace the champion again. Returns its version. Raises InputError where nobody holds it."""
    entries = read_promotions(store)
    if hold_reason(entries) is None:
        raise InputError(f"The champion must be held to be released. Received one that is not: {store!r}.")
    version, why = champion_stack(entries)[-1], "released by hand" + (f": {reason}" if reason else "")
    append_by_hand(store, entries, "release", version, why)
    return version


def append_by_hand(
    store: str, entries: Sequence[dict[str, Any]], action: str, version: str, reason: str
) -> None:
    """Append what a person decided; JobError where another entry came in between, which they have not seen.

    The entry says who decided (`by`) and keeps the digest of the weights of the champion it replaces: they
    outlive that version's files.
    """
    more: dict[str, str | None] = {"by": person()}
    champions = champion_stack(entries)
    if champions and action in ("promote", "rollback"):
        model_url = storage.model_url(storage.version_url(store, champions[-1]))
        more |= {"replaced_weights": weights_sha256(model_url)} if storage.exists(model_url) else {}
    if not append_promotion(store, len(entries), action, version, reason, more):
        raise JobError("Another promotion came in between: look at `darkroom models history` and try again.")
