"""What a random test split would flatter a model by is measured where groups of images are known."""

import numpy as np
import pytest

from tasks.audit.gap import deal_groups, gap_words, measure_gap
from tasks.audit.origin import origin_words
from tasks.audit.out_of_fold import Beliefs, believe
from tests.tasks.audit.test_wrong_labels import CLASSES, Held

SITES, EACH = 30, 40


def sites(of_site: float) -> tuple[list[dict], list[str | None], Held]:
    """Images at places, ten a class, that differ by class a little and by place as much as is said."""
    random = np.random.default_rng(0)
    site = np.repeat(np.arange(SITES), EACH)
    label = site % len(CLASSES)
    features = random.normal(size=(len(site), 48)) + 0.4 * np.repeat(np.eye(3), 16, axis=1)[label]
    features += of_site * random.normal(size=(SITES, 48))[site]
    rows = [
        {
            "path": f"{image}.jpg",
            "label": str(CLASSES[label[image]]),
            "split": "test" if site[image] >= SITES - 3 else "train",
            "sha256": random.bytes(32).hex(),
            "group": image,
        }
        for image in range(len(site))
    ]
    return rows, [f"site{number}" for number in site], Held(features.astype(np.float32))


def believed(rows: list[dict], features: Held) -> Beliefs:
    beliefs = believe(rows, features)
    assert beliefs
    return beliefs


def test_places_that_look_like_themselves_flatter_a_random_split_and_others_do_not():
    rows, scenes, features = sites(of_site=1.0)
    gap = measure_gap(scenes, believed(rows, features), features)
    assert gap
    assert (gap["images"], gap["groups"]) == ((SITES - 3) * EACH, SITES - 3)
    assert gap["at_random"] > 0.8
    assert gap["gap"] == pytest.approx(gap["at_random"] - gap["grouped"])
    assert 0 < gap["low"] < gap["gap"] < gap["high"]
    rows, scenes, features = sites(of_site=0.0)
    none = measure_gap(scenes, believed(rows, features), features)
    assert none
    assert none["low"] < 0 < none["high"]
    assert abs(none["gap"]) < 0.02 < gap["gap"]
    assert "no difference beyond chance" in next(gap_words({"gap": none}))


def test_no_group_is_learned_from_in_the_fold_that_judges_it_and_test_images_are_in_none():
    rows, scenes, features = sites(of_site=1.0)
    beliefs = believed(rows, features)
    groups = np.unique(np.array(scenes), return_inverse=True)[1]
    folds = deal_groups(groups, beliefs, np.ones(len(rows), bool))
    learned = beliefs.is_learned
    assert all(len(set(folds[learned & (groups == group)])) <= 1 for group in range(SITES))
    assert set(folds[learned]) == set(range(5))
    assert set(folds[~learned]) == {-1}


def test_the_report_says_the_gap_or_why_it_was_not_measured():
    rows, scenes, features = sites(of_site=1.0)
    beliefs = believed(rows, features)
    [said] = gap_words({"gap": measure_gap(scenes, beliefs, features)})
    assert "Of 1,080 images in 27 groups outside the test split" in said
    assert "only: a random test split would flatter a model by some 37.5 points (95 % interval" in said
    few: list[str | None] = [str(number % 4) for number in range(len(rows))]
    [said] = gap_words({"gap": measure_gap(few, beliefs, features)})
    assert "was not measured: it takes classes that stand in 5 groups or more" in said
    unchecked = {"gap": None, "skipped": "they need pretrained weights, and weights are none"}
    assert measure_gap([None] * len(rows), beliefs, features) is None
    [said] = origin_words({"groups": {"count": 3}, "labels": unchecked})
    assert said.endswith("was not measured: they need pretrained weights, and weights are none.")
    assert list(origin_words({"groups": {"count": 0}, "labels": unchecked})) == []
