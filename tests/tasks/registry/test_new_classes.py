"""How a challenger is judged that knows other classes than the champion."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tasks import storage
from tasks.dataset.records import Dataset
from tasks.evaluation.records import write_arrays
from tasks.networks import architectures
from tasks.parameters import Gate
from tasks.registry.gate import Verdict, decide
from tasks.storage import Run
from tests.tasks.dataset.test_parts import SIZE, decode_all
from tests.tasks.registry.test_gate import PROMOTED, evaluation, of_classes
from tests.tasks.registry.test_promotions import add_version

A, B, C = [0] * 8, [1] * 8, [2] * 8


@pytest.fixture
def grown(store: str, tmp_path: Path) -> tuple[Dataset, str]:
    """A dataset of classes a, b and new c, 8 test images each, and a store whose champion v1 knows a and b.

    The champion says always a.
    """
    random = np.random.default_rng(0)
    for name in ("train/a", "train/b", "train/c", "test/a", "test/b", "test/c"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 255, (40, 40, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "images" / name / f"{number}.png"), pixels)
    champion_model = architectures.build_cnn(2, SIZE)
    champion_model.get_layer("logits").set_weights([np.zeros((128, 2)), np.array([1.0, 0.0])])
    model_url = storage.model_url(storage.version_url(store, "v1"))
    os.makedirs(os.path.dirname(model_url))
    champion_model.save(model_url)
    add_version(store, "v1", sha256=storage.sha256(storage.read_bytes(model_url)))
    return decode_all(tmp_path / "images", store), store


def judged(grown: tuple[Dataset, str], predicted: Sequence[int], gate: Gate) -> Verdict:
    """The verdict on a challenger that predicts these for the test images; its least likely class is b."""
    dataset, store = grown
    probabilities = np.array([0.3, 0.2, 0.25]) + np.eye(3)[predicted]
    test = dataset.split("test")
    url = storage.predictions_url(Run("r", store).kind_url("cnn"))
    write_arrays(url, labels=test.labels, probabilities=probabilities)
    challenger = evaluation(store, 0.9)
    recalls = [
        {
            "class": name,
            "recall": float(np.mean(np.array(predicted)[test.labels == number] == number)),
            "support": 8,
        }
        for number, name in enumerate(dataset.classes)
    ]
    storage.write_json(storage.metrics_url(Run("r", store).kind_url("cnn")), {"per_class": recalls})
    return decide(challenger, [PROMOTED], dataset, Run("r", store), gate, leaking=0)


def test_a_challenger_that_knows_a_new_class_is_compared_on_the_shared_ones_and_promoted_if_not_worse(grown):
    gate = Gate(min_class_recall=0.0)
    twin = judged(grown, [*A, *A, *C], gate)
    assert (twin.promoted, twin.comparison["images"], twin.comparison["new_classes"]) == (True, 16, ["c"])
    assert "the classes that both know (new: c) no better than the champion" in twin.reason
    masked = judged(grown, [*C, *C, *C], gate)
    assert (masked.comparison["only_first"], masked.comparison["both_right"]) == (0, 8), "c is left out"
    somewhat_worse = judged(grown, [1, 1, 1, 1, *A[4:], *A, *C], gate)
    assert somewhat_worse.promoted, "4 lost of 4 have p = 1/16"
    worse = judged(grown, [1, 1, 1, 1, 1, *A[5:], *A, *C], gate)
    assert not worse.promoted
    assert "one-sided exact McNemar p = 0.031 is not above 0.05, so it is worse" in worse.reason
    assert judged(
        grown, [1, 1, 1, 1, 1, *A[5:], *A, *C], Gate(min_class_recall=0, worse_p_value=0.01)
    ).promoted


def test_a_new_class_must_reach_the_least_recall(grown):
    verdict = judged(grown, [*A, *B, *C[4:], *A[:4]], Gate(min_class_recall=0.6))
    assert (verdict.promoted, verdict.reason.startswith("recall of c 0.500 is 0.1 below")) == (False, True)
    assert judged(grown, [*A, *B, *C], Gate(min_class_recall=0.6)).promoted


def test_a_class_that_has_gone_needs_a_person_and_the_refusal_says_the_command(store: str):
    add_version(store, "v1", classes=["a", "b", "old name"])
    current = of_classes("a", "b", "new name")
    gate = Gate(min_class_recall=0)
    verdict = decide(evaluation(store, 0.9), [PROMOTED], current, Run("r", store), gate, leaking=0)
    assert not verdict.promoted
    assert "(gone: old name; new: new name)" in verdict.reason
    assert f"`darkroom models promote new --store {store}`" in verdict.reason
