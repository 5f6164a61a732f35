"""Planted label errors are found from features; copies and the test split vouch for nothing."""

from dataclasses import dataclass

import numpy as np
import pytest

from tasks.audit.out_of_fold import FOLDS, believe, deal, out_of_fold
from tasks.audit.wrong_labels import Suspect, as_csv, hardly_believed, likely_wrong, suspects_among

CLASSES = np.array(["forest", "mountain", "sea"])


@dataclass
class Held:
    """Features that lie in memory."""

    values: np.ndarray

    def take(self, images: np.ndarray) -> np.ndarray:
        return self.values[images]


@pytest.fixture
def clusters() -> tuple[list[dict], Held, np.ndarray]:
    """900 images around three centres, every fifth of them test, 18 with another's label."""
    random = np.random.default_rng(0)
    true = np.arange(900) % 3
    features = random.normal(size=(900, 48)) + 2 * np.repeat(np.eye(3), 16, axis=1)[true]
    planted = random.choice(900, 18, replace=False)
    given = true.copy()
    given[planted] = (true[planted] + 1) % 3
    rows = [
        {
            "path": f"{image}.jpg",
            "label": str(CLASSES[label]),
            "split": "train" if image % 5 else "test",
            "sha256": random.bytes(32).hex(),
            "group": image,
        }
        for image, label in enumerate(given)
    ]
    return rows, Held(features.astype(np.float32)), planted


def find_suspects(rows: list[dict], features: Held) -> tuple[int, list[Suspect], list[Suspect]]:
    beliefs = believe(rows, features)
    return suspects_among(rows, beliefs) if beliefs else (0, [], [])


def test_planted_label_errors_are_found_with_the_right_label(clusters):
    rows, features, planted = clusters
    checked, suspects, _ = find_suspects(rows, features)
    assert checked == 900
    suspect_of = {int(one.path.removesuffix(".jpg")): one for one in suspects}
    assert set(suspect_of) <= set(planted)
    assert len(suspect_of) >= len(planted) / 2  # others are less sure of the true class than its images are
    assert all(one.suggested == CLASSES[image % 3] for image, one in suspect_of.items())


def test_what_a_person_has_answered_is_not_suspected_again(clusters):
    rows, features, _ = clusters
    _, suspects, _ = find_suspects(rows, features)
    answered = {suspect.path for suspect in suspects[:3]}
    rows = [row | {"answer": row["label"] if row["path"] in answered else None} for row in rows]
    assert find_suspects(rows, features)[1] == suspects[3:]


def test_labels_of_test_images_teach_nothing(clusters):
    rows, features, _ = clusters
    labels = np.searchsorted(CLASSES, [row["label"] for row in rows])
    learnt = np.array([row["split"] != "test" for row in rows])
    folds = deal(rows, labels)
    others = np.where(learnt, labels, (labels + 1) % 3)
    assert np.array_equal(
        out_of_fold(features, labels, folds, learnt), out_of_fold(features, others, folds, learnt)
    )


def test_copies_go_to_one_fold_and_classes_are_dealt_evenly(clusters):
    rows, _, _ = clusters
    labels = np.searchsorted(CLASSES, [row["label"] for row in rows])
    assert np.ptp(np.bincount(deal(rows, labels))) <= len(CLASSES)
    pairs = [row | {"group": number // 2} for number, row in enumerate(rows)]
    folds = deal(pairs, labels)
    assert np.array_equal(folds[::2], folds[1::2])
    assert len(set(folds)) == FOLDS


def test_a_class_too_small_to_judge_accuses_nobody(clusters):
    rows, features, _ = clusters
    for row in rows[:9]:
        row["label"] = "rare"
    checked, suspects, _ = find_suspects(rows, features)
    assert checked == 891
    assert "rare" not in {one.given for one in suspects} | {one.suggested for one in suspects}


def test_copies_of_one_picture_are_no_class_to_learn(clusters):
    rows, features, _ = clusters
    for row in rows:
        row["group"] = 0 if row["label"] == "sea" else row["group"]
    checked, suspects, _ = find_suspects(rows, features)
    assert checked == sum(row["label"] != "sea" for row in rows)
    assert "sea" not in {one.suggested for one in suspects}
    assert find_suspects([row for row in rows if row["label"] != "forest"], features) == (0, [], [])
    assert find_suspects([row | {"group": 0} for row in rows], features) == (0, [], [])
    assert find_suspects([], features) == (0, [], [])


def test_a_fold_whose_others_hold_one_class_judges_nobody(clusters):
    rows, features, _ = clusters
    labels = np.searchsorted(CLASSES, [row["label"] for row in rows])
    folds = np.where(labels == 0, 0, np.where(labels == 1, 1, 0))
    probabilities = out_of_fold(features, labels, folds, np.ones(len(rows), bool))
    assert not probabilities[folds == 0].any()
    assert probabilities[folds == 1].any()


def test_a_spreadsheet_takes_no_name_for_a_formula():
    lines = as_csv([Suspect("=1+1.jpg", "train", "@a", "sea", 0.1, 0.9)]).decode().splitlines()
    assert lines[1] == "'=1+1.jpg,train,'@a,sea,0.1,0.9"


def test_the_confident_joint_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9], [0.3, 0.7], [0.95, 0.05]])
    order, suggested = likely_wrong(probabilities, np.array([0, 0, 1, 1, 1]))
    # Images of class 0 are 0.8 sure of it on average, those of class 1 0.55: only the last passes 0.8.
    assert (order.tolist(), suggested.tolist()) == ([4], [0])


def test_a_label_that_nothing_speaks_for_is_in_doubt_though_no_other_is_sure():
    probabilities = np.array([[0.9, 0.05, 0.05], [0.02, 0.5, 0.48], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
    labels = np.array([0, 0, 1, 2])
    assert [values.tolist() for values in likely_wrong(probabilities, labels)] == [[], []]
    assert [values.tolist() for values in hardly_believed(probabilities, labels)] == [[1], [1]]


def test_the_label_least_believed_comes_first_however_sure_another_is():
    probabilities = np.array([[0.9, 0.05, 0.05], [0.01, 0.5, 0.49], [0.09, 0.91, 0.0]])
    assert hardly_believed(probabilities, np.array([0, 0, 0]))[0].tolist() == [1]
    probabilities = np.array([[0.5, 0.5, 0.0], [0.2, 0.8, 0.0], [0.1, 0.6, 0.3], [0.4, 0.6, 0.0]])
    order, suggested = likely_wrong(probabilities, np.array([0, 0, 0, 1]))
    assert (order.tolist(), suggested.tolist()) == ([2, 1], [1, 1])
