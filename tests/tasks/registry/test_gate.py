"""What refuses a challenger, and that every refusal says which rule and by how much."""

import keras
import numpy as np
import pytest

from tasks import storage
from tasks.dataset.records import Dataset
from tasks.errors import InputError
from tasks.evaluation.records import Evaluation
from tasks.networks import architectures
from tasks.parameters import Gate
from tasks.registry.choice import choice_in_words, choose
from tasks.registry.gate import Verdict, compare_with_champion, decide, promote_by_hand, rules_by_hand
from tasks.registry.promotions import (
    append_promotion,
    champion,
    hold_champion,
    read_promotions,
    release_champion,
    roll_back,
)
from tasks.registry.rules import accuracy_rule, comparison_rules, leakage_rule, recall_rule, shared_rule
from tasks.storage import Run
from tests.tasks.registry.test_promotions import add_version
from tests.tasks.registry.test_unseen import dataset

PROMOTED = {"action": "promote", "version": "v1", "reason": "first champion"}
PER_CLASS = [
    {"class": "glacier", "recall": 0.412, "support": 17},
    {"class": "sea", "recall": 0.45, "support": 20},
    {"class": "forest", "recall": 0.9, "support": 10},
]


def test_a_refusal_says_which_rule_and_by_how_much():
    low = accuracy_rule(0.4, 0.5)
    assert (low.passed, low.text) == (False, "test accuracy 0.400 is 0.1 below the least allowed, 0.500")
    blind = recall_rule(PER_CLASS, 0.5)
    assert (blind.passed, blind.value, blind.limit) == (False, 0.412, 0.5)
    assert blind.text == (
        "recall of glacier 0.412 is 0.088 below the least allowed, 0.500 (too low as well: sea 0.450)"
    )
    leak = leakage_rule(3)
    assert (leak.passed, leak.value, "3 images are copies of images that judge" in leak.text) == (
        False,
        3,
        True,
    )


def test_a_class_without_test_images_fails_its_recall_rule_by_name():
    rule = recall_rule([*PER_CLASS, {"class": "street", "recall": 0.0, "support": 0}], 0.1)
    assert (rule.passed, rule.text) == (
        False,
        "no test images of street: a recall of at least 0.100 is asked",
    )
    assert recall_rule([*PER_CLASS, {"class": "street", "recall": 0.0, "support": 0}], 0.0).passed


def test_what_is_just_enough_passes():
    assert accuracy_rule(0.5, 0.5).passed
    assert recall_rule(PER_CLASS, 0.412).passed
    assert leakage_rule(0).passed


CHAMPION = np.array([0, 0, 0, 1, 1, 1, 1, 0])
CHALLENGER = np.array([0, 0, 1, 1, 1, 1, 1, 1])
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])


def test_champion_and_challenger_are_held_against_each_other_class_by_class():
    comparison = compare_with_champion(CHAMPION, CHALLENGER, LABELS, None, ("a", "b", "c"))
    assert comparison["per_class"] == [
        {"class": "a", "images": 4, "champion_recall": 0.75, "challenger_recall": 0.5},
        {"class": "b", "images": 4, "champion_recall": 0.75, "challenger_recall": 1.0},
    ]
    assert (comparison["only_first"], comparison["only_second"], comparison["both_right"]) == (1, 1, 5)
    [first, *_] = comparison_rules(comparison, 1.0)
    assert "8 test images (all: what the champion was trained on is no longer known)" in first.text


def test_images_that_the_champion_was_trained_on_are_no_part_of_the_comparison():
    memorised = LABELS == 0
    comparison = compare_with_champion(LABELS, CHALLENGER, LABELS, ~memorised, ("a", "b"))
    assert (comparison["images"], comparison["left_out"]) == (4, 4)
    assert (comparison["only_first"], comparison["both_right"]) == (0, 4)
    assert [row["class"] for row in comparison["per_class"]] == ["b"]
    [first, *_] = comparison_rules(comparison, 1.0)
    assert "4 test images (4 more left out: known to the champion from training) it gets" in first.text


@pytest.mark.parametrize(
    ("gained", "lost", "max_p_value", "passed", "words"),
    [
        (
            12,
            3,
            1.0,
            [True, True],
            "better than the champion by 9: of the same 95",
        ),
        (
            12,
            3,
            0.05,
            [True, True],
            "lost), more than chance, exact McNemar p = 0.035",
        ),  # exact: 2 * (1 + 15 + 105 + 455) / 2**15
        (
            3,
            1,
            0.05,
            [True, False],
            "which may be chance, exact McNemar p = 0.62; p is 0.57 above",
        ),  # 2 * (1 + 4) / 2**4
        (5, 5, 1.0, [False], "no better than the champion"),
        (3, 12, 1.0, [False], "worse than the champion by 9"),
    ],
)
def test_a_challenger_must_get_more_right_and_be_sure_of_it_where_that_is_asked(
    gained, lost, max_p_value, passed, words
):
    first = np.repeat([1, 0, 1], [80, gained, lost])
    second = np.repeat([1, 1, 0], [80, gained, lost])
    everything = np.ones(len(first), int)
    comparison = compare_with_champion(first, second, everything, everything > 0, ("no", "yes"))
    rules = list(comparison_rules(comparison, max_p_value))
    assert [rule.passed for rule in rules] == passed
    assert (rules[0].value, rules[0].limit) == (80 + gained, 80 + lost)
    assert words in rules[-1].text


def test_a_difference_says_whether_it_may_be_chance_and_which_classes_lost_much():
    labels = np.repeat([0, 1, 2], 10)
    champion, challenger = labels.copy(), labels.copy()
    champion[:5], challenger[10:12] = 1, 0
    comparison = compare_with_champion(champion, challenger, labels, labels >= 0, ("a", "b", "c"))
    [better, _] = comparison_rules(comparison, 1.0)
    assert better.text.startswith(
        "better than the champion by 3: of the same 30 test images it gets 28 right"
    )
    assert "which may be chance, exact McNemar p = 0.45; 1 class lost 10 points or more: b 20" in better.text


def test_rare_classes_count_alike_where_macro_recall_is_compared():
    labels = np.repeat([0, 1], [100, 10])
    champion, challenger = labels.copy(), labels.copy()
    challenger[:5], champion[100:104] = 1, 0
    comparison = compare_with_champion(champion, challenger, labels, None, ("a", "b"))
    assert not next(comparison_rules(comparison, 1.0)).passed
    [better, significant] = comparison_rules(comparison | {"by": "macro_recall"}, 0.05)
    assert (better.value, better.limit) == pytest.approx((0.975, 0.8))
    assert better.text.startswith("better than the champion by 17.5 points of macro recall: of the same 110")
    assert better.passed and not significant.passed  # of the draws 1 in 8 as good, or as bad
    assert 0.12 < significant.value < 0.13
    worse = compare_with_champion(challenger, champion, labels, None, ("a", "b"))
    [rule] = comparison_rules(worse | {"by": "macro_recall"}, 1.0)
    assert (rule.passed, "worse than the champion by 17.5 points" in rule.text) == (False, True)
    shared = worse | {"by": "macro_recall", "new_classes": ["c"]}
    assert shared_rule(shared, 0.05).passed and not shared_rule(shared, 0.1).passed
    assert "one-sided paired permutation p = 0.06" in shared_rule(shared, 0.1).text


def test_the_challenger_is_chosen_by_what_it_is_compared_by():
    broad = Evaluation("cnn", "v", 0.8, 0.9, 0.8, 1.0, 0.0, 1.0, 0.3, 10, val_macro_recall=0.8)
    narrow = Evaluation("mobilenet_v2", "v", 0.9, 0.9, 0.8, 1.0, 0.0, 1.0, 0.3, 10, val_macro_recall=0.6)
    assert choose([broad, narrow]) is narrow
    assert choose([broad, narrow], "macro_recall") is broad
    words = "chosen by validation macro recall: 80.0 %, mobilenet_v2 60.0 %"
    assert choice_in_words([broad, narrow], "macro_recall") == words


@pytest.mark.parametrize(
    ("of_cnn", "of_mobilenet", "chosen", "words"),
    [
        ((0.9, 0.3, 10), (0.8, 0.1, 2), "cnn", "by validation accuracy: 90.0 %, mobilenet_v2 80.0 %"),
        (
            (0.9, 0.3, 10),
            (0.9, 0.1, 20),
            "mobilenet_v2",
            "by validation loss, 0.100, cnn 0.300, after 90.0 %",
        ),
        ((0.9, 0.3, 10), (0.9, 0.3, 2), "mobilenet_v2", "as the smaller one"),
    ],
)
def test_of_models_equal_on_validation_the_one_of_least_loss_is_chosen_then_the_smaller(
    of_cnn, of_mobilenet, chosen, words
):
    figures = {"cnn": of_cnn, "mobilenet_v2": of_mobilenet}
    models = [
        Evaluation(kind, "v", accuracy, 0.9, 0.8, 1.0, 0.0, 1.0, loss, parameters)
        for kind, (accuracy, loss, parameters) in figures.items()
    ]
    assert choose(models).kind == chosen
    assert f"chosen {words}" in choice_in_words(models)
    assert choice_in_words(models[:1]) == ""


def evaluation(store: str, accuracy: float) -> Evaluation:
    storage.write_json(storage.metrics_url(Run("r", store).kind_url("cnn")), {"per_class": PER_CLASS})
    return Evaluation("cnn", "new", 0.9, accuracy, accuracy - 0.1, accuracy + 0.1, 0.05, 1.0, 0.3, 1_000)


def of_classes(*classes: str) -> Dataset:
    return Dataset("", "", "", classes, 32, {}, 0, 0, 0, 0)


def test_all_rules_that_refuse_are_told(store: str):
    add_version(store, "v1")
    verdict = decide(
        evaluation(store, 0.4), [PROMOTED], of_classes("a", "c"), Run("r", store), Gate(), leaking=1
    )
    assert not verdict.promoted
    assert [rule.passed for rule in verdict.rules] == [False] * 4
    for words in ("0.400 is 0.1 below", "glacier 0.412", "1 image is a copy of", "(gone: b; new: c)"):
        assert words in verdict.reason


def test_a_champion_that_was_trained_on_all_test_images_cannot_be_compared(store: str):
    dataset(store, "then", {"1": "train", "2": "val", "3": "test"})
    now = dataset(store, "now", {"1": "test", "2": "test", "3": "train"})
    add_version(store, "v1", dataset="then")
    gate = Gate(min_class_recall=0)
    verdict = decide(evaluation(store, 0.9), [PROMOTED], now, Run("r", store), gate, leaking=0)
    assert (verdict.promoted, verdict.comparison) == (False, None)
    assert verdict.reason.startswith("the champion v1 was trained on all 2 test images, or on copies of them")


def test_macro_recall_counts_rare_classes_alike_where_it_is_asked(store: str):
    def verdict(**asked: float) -> Verdict:
        gate = Gate(min_class_recall=0.4, **asked)
        return decide(evaluation(store, 0.9), [], of_classes("a", "b"), Run("r", store), gate, leaking=0)

    assert verdict(min_macro_recall=0.58).promoted
    refused = verdict(min_macro_recall=0.6)
    assert (refused.promoted, refused.reason.startswith("macro recall 0.587 is 0.013 below")) == (False, True)
    assert "macro" not in "".join(rule.name for rule in verdict().rules)


def test_the_first_champion_needs_only_what_is_asked_of_any(store: str):
    gate = Gate(min_accuracy=0.9, min_class_recall=0.4)
    verdict = decide(evaluation(store, 0.9), [], of_classes("a", "b"), Run("r", store), gate, leaking=0)
    assert (verdict.promoted, verdict.previous, verdict.comparison) == (True, None, None)
    assert verdict.reason.startswith("first champion of this store, test accuracy 0.900")


@pytest.fixture
def replaced(store: str) -> str:
    """A store whose champion v2 a person rolled back to v1; `twin` has the weights of v2, `new` others."""
    for version, seed in {"v1": 1, "v2": 2, "twin": 2, "new": 3}.items():
        add_version(store, version)
        keras.utils.set_random_seed(seed)
        architectures.build_cnn(2, 32).save(storage.model_url(storage.version_url(store, version)))
    append_promotion(store, 0, "promote", "v1", "first champion of this store")
    append_promotion(store, 1, "promote", "v2", "better than the champion by 3")
    roll_back(store, "takes fog for sea")
    return store


def refusals(store: str, version: str) -> list[str]:
    rules = rules_by_hand(storage.version_url(store, version), store, read_promotions(store))
    return [rule.text for rule in rules if not rule.passed]


def test_a_twin_of_what_a_person_took_down_does_not_come_back_the_next_night(replaced: str):
    [refusal] = refusals(replaced, "twin")
    assert "the weights of v2, which a person replaced (rolled back from v2: takes fog for sea)" in refusal
    assert refusals(replaced, "new") == []
    promote_by_hand(replaced, "v2", "the fog went")
    assert refusals(replaced, "twin") == []
    promote_by_hand(replaced, "new")
    storage.remove(storage.version_url(replaced, "v2"))
    assert "the weights of v2" in refusals(replaced, "twin")[0]


def test_a_champion_that_is_held_stays_until_it_is_released(replaced: str):
    assert hold_champion(replaced, "audit week") == "v1"
    assert "held by hand: audit week" in refusals(replaced, "new")[0]
    with pytest.raises(InputError, match="held already"):
        hold_champion(replaced)
    promote_by_hand(replaced, "v2")
    assert champion(replaced) == "v2"
    assert release_champion(replaced) == "v2"
    assert refusals(replaced, "new") == []
    with pytest.raises(InputError, match="not"):
        release_champion(replaced)
