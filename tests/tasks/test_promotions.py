"""Who is champion, who was, and that two racing runs cannot both win."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tasks import storage
from tasks.errors import InputError
from tasks.gate import promote_by_hand
from tasks.promotions import append_promotion, champion, promotions, roll_back
from tasks.registry import list_versions, read_record


def add_version(store: str, version: str) -> None:
    record: dict[str, Any] = {
        "version": version,
        "kind": "cnn",
        "sha256": "0",
        "classes": ["a", "b"],
        "size_px": 32,
        "temperature": 1.0,
        "created": version,
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


def test_champion_json_repeats_the_last_promotion(three: str):
    roll_back(three)
    pointer = storage.read_json(storage.join(three, "models", "champion.json"))
    assert (pointer["version"], pointer["action"]) == ("v2", "rollback")


def test_of_racing_promotions_exactly_one_wins(three: str):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda _: append_promotion(three, 3, "promote", "v1", "race"), range(8)))
    assert sum(won) == 1
    assert len(promotions(three)) == 4


def test_an_unknown_version_is_refused_with_the_known_ones(three: str):
    with pytest.raises(InputError, match="v1, v2, v3"):
        read_record(three, "v9")
    with pytest.raises(InputError, match="already"):
        promote_by_hand(three, "v3")


def test_a_store_without_models_says_what_to_do(store: str):
    assert list_versions(store) == []
    with pytest.raises(InputError, match="darkroom retrain"):
        read_record(store, "champion")
