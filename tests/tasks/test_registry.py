"""Who is champion, who may become it, and that two racing runs cannot both win."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tasks import storage
from tasks.dataset import Shards
from tasks.errors import InputError
from tasks.evaluation import Evaluation
from tasks.registry import (
    append_promotion,
    champion,
    decide,
    earned,
    list_versions,
    promote_by_hand,
    promotions,
    read_record,
    rollback,
)
from tasks.settings import Gate


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
    assert rollback(three) == "v2"
    assert rollback(three) == "v1"
    with pytest.raises(InputError, match="before the present one"):
        rollback(three)
    assert promote_by_hand(three, "v3") == "v3"
    assert rollback(three) == "v1"


def test_champion_json_repeats_the_last_promotion(three: str):
    rollback(three)
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


@pytest.mark.parametrize(("gained", "lost", "promoted"), [(12, 3, True), (5, 5, False), (3, 12, False)])
def test_a_challenger_must_get_more_of_the_same_images_right(gained: int, lost: int, promoted: bool):
    comparison = {"images": 100, "only_first": lost, "only_second": gained, "p_value": 0.04}
    assert earned(comparison)[0] is promoted


def evaluation(accuracy: float) -> Evaluation:
    return Evaluation("cnn", "new", "", 0.9, accuracy, accuracy - 0.1, accuracy + 0.1, 0.05, 1.0)


def shards(*classes: str) -> Shards:
    return Shards("", "", "", classes, 32, {}, 0, 0, 0, 0)


def test_the_gate_refuses_low_accuracy_and_other_classes(three: str):
    low = decide(evaluation(0.4), [], shards("a", "b"), three, Gate())
    assert (low.promoted, "0.400 is below" in low.reason) == (False, True)
    other = decide(evaluation(0.9), ["v3"], shards("a", "c"), three, Gate())
    assert (other.promoted, "other classes" in other.reason) == (False, True)
    assert decide(evaluation(0.9), [], shards("a", "b"), three, Gate()).promoted
