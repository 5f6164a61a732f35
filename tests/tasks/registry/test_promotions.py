"""Who is champion, who was, and that two racing runs cannot both win."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fsspec
import pytest

from tasks import storage
from tasks.errors import InputError
from tasks.registry.gate import promote_by_hand
from tasks.registry.promotions import (
    append_promotion,
    champion,
    champion_stack,
    hold_champion,
    read_promotions,
    release_champion,
    roll_back,
)
from tasks.registry.versions import list_versions, read_record


def add_version(store: str, version: str, **more: Any) -> None:
    record: dict[str, Any] = {
        "version": version,
        "kind": "cnn",
        "sha256": "0",
        "classes": ["a", "b"],
        "size_px": 32,
        "temperature": 1.0,
        "created": version,
        **more,
    }
    storage.write_json(storage.join(store, "models", version, "model.json"), record)


@pytest.fixture
def three(store: str) -> str:
    for version in ("v1", "v2", "v3"):
        add_version(store, version)
        promote_by_hand(store, version)
    return store


def test_rollbacks_go_back_one_champion_each(three: str):
    assert champion(three) == "v3"
    assert roll_back(three) == "v2"
    assert roll_back(three) == "v1"
    with pytest.raises(InputError, match="before the present one"):
        roll_back(three)
    assert promote_by_hand(three, "v3") == "v3"
    assert roll_back(three) == "v1"


def test_a_rollback_to_a_version_that_was_deleted_is_refused_in_one_line(three: str):
    storage.remove(storage.version_url(three, "v2"))
    with pytest.raises(InputError, match="'v2' is not in the store") as refusal:
        roll_back(three)
    assert "\n" not in str(refusal.value)
    assert champion(three) == "v3"


def test_champion_json_repeats_the_last_promotion(three: str):
    roll_back(three)
    pointer = storage.read_json(storage.join(three, "models", "champion.json"))
    assert (pointer["version"], pointer["action"]) == ("v2", "rollback")


@pytest.mark.parametrize(("kind", "rounds"), [("store", 10), ("bucket", 2)])
def test_of_racing_promotions_exactly_one_wins(kind: str, rounds: int, request: pytest.FixtureRequest):
    place = storage.join(request.getfixturevalue(kind), "raced")
    racers, start = [f"v{number}" for number in range(6)], threading.Barrier(6)

    def race(version: str, after: int) -> bool:
        start.wait()
        return append_promotion(place, after, "promote", version, "race")

    for after in range(rounds):
        with ThreadPoolExecutor(len(racers)) as pool:
            has_won = list(pool.map(race, racers, [after] * len(racers)))
        assert has_won.count(True) == 1
        assert champion(place) == racers[has_won.index(True)]
        assert len(read_promotions(place)) == after + 1
    assert storage.read_json(storage.join(place, "models", "champion.json")) == read_promotions(place)[-1]


def test_to_know_the_champion_costs_no_more_in_a_long_log(bucket: str, requests: Counter[str]):
    costs = []
    for entries in (3, 60):
        store = f"{bucket}/after-{entries}"
        log = {number: json.dumps(promotion(f"v{number}")) for number in range(1, entries + 1)}
        fsspec.filesystem("s3").pipe(
            {storage.promotion_url(store, number): entry.encode() for number, entry in log.items()}
        )
        assert champion(store) == f"v{entries}"
        requests.clear()
        champion(store)
        costs.append(requests.total())
        assert append_promotion(store, entries, "promote", "v0", "by a race that was won")
        assert not append_promotion(store, entries, "promote", "v1", "by one that was lost")
        assert champion(store) == "v0"
    assert costs[0] == costs[1] <= 3


@pytest.mark.parametrize("action", ["rollback", "hold", "release"])
def test_the_last_entry_tells_the_champion_whatever_was_done(three: str, action: str):
    hold_champion(three)
    if action == "release":
        release_champion(three)
    elif action == "rollback":
        roll_back(three)
    entries = read_promotions(three)
    assert entries[-1]["action"] == action
    assert champion(three) == champion_stack(entries)[-1]


def promotion(version: str) -> dict[str, str]:
    return {"action": "promote", "version": version, "reason": "better", "at": "2026-11-26T00:00:00+00:00"}


def test_a_champion_is_not_changed_on_what_has_changed_meanwhile(three: str):
    assert append_promotion(three, 3, "promote", "v1", "first")
    assert not append_promotion(three, 3, "promote", "v2", "late")
    assert champion(three) == "v1"


def test_a_persons_reason_is_kept(three: str):
    promote_by_hand(three, "v1", "v3 takes fog for sea")
    roll_back(three, "fog was a broken camera")
    assert [entry["reason"] for entry in read_promotions(three)[-2:]] == [
        "promoted by hand: v3 takes fog for sea",
        "rolled back from v1: fog was a broken camera",
    ]


def test_an_unknown_version_is_refused_with_the_known_ones(three: str):
    with pytest.raises(InputError, match="v1, v2, v3"):
        read_record(three, "v9")
    with pytest.raises(InputError, match="already"):
        promote_by_hand(three, "v3")


def test_a_store_without_models_says_what_to_do(store: str):
    assert list_versions(store) == []
    with pytest.raises(InputError, match="darkroom retrain"):
        read_record(store, "champion")
