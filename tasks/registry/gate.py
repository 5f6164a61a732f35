"""Decides whether a challenger becomes champion: rule by rule, or because a person says so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tasks import storage
from tasks.dataset import Dataset
from tasks.errors import InputError, error_in_words
from tasks.evaluation import Evaluation, compare, compare_macro_recall, read_predictions
from tasks.networks import predict_split, read_verified, weights_sha256
from tasks.parameters import Gate
from tasks.registry.choice import choice_in_words, choose
from tasks.registry.promotions import (
    BY_HAND,
    append_by_hand,
    append_promotion,
    champion_stack,
    hold_reason,
    is_promotion_by_run,
    read_promotions,
    replaced_by_hand,
)
from tasks.registry.rules import (
    Rule,
    accuracy_rule,
    classes_rule,
    comparison_rules,
    hold_rule,
    leakage_rule,
    macro_recall_rule,
    promotion_by_hand,
    recall_rule,
    shared_rule,
    twin_rule,
    unjudged_rule,
    unseen_rule,
)
from tasks.registry.since import unseen_tests
from tasks.registry.versions import read_record, read_version
from tasks.storage import Run
from tasks.task_runs import task

MAX_RACES = 5  # against other runs that promote at the same time


@dataclass(frozen=True)
class Verdict:
    """Whether the best model of a run became champion, and by which rules.

    previous: the champion before. comparison: with that champion on the same test images, as
    `compare_with_champion` gives it; None without one, where its classes differ, where it was trained on all
    of the test images, or could not be judged. is_final: whether the run keeps it when it is resumed; not
    where it says only that nothing could be decided. choice: how the model was chosen among those of its run.
    """

    version: str
    model: str
    promoted: bool
    reason: str
    previous: str | None
    comparison: dict[str, Any] | None = None
    rules: tuple[Rule, ...] = ()
    is_final: bool = True
    choice: str = ""

    def __str__(self) -> str:
        return f"{self.version}: {'yes' if self.promoted else 'no'}, {self.reason}"


@task(task_run_name="promote")
def promote(evaluations: Sequence[Evaluation], dataset: Dataset, run: Run, gate: Gate) -> Verdict:
    """Make the run's best model (see `choose`) champion if it passes every rule of the gate.

    A run decides once. Resumed or retried it keeps its verdict, whatever a person has done since, unless
    nothing could be decided.
    """
    if (verdict := read_verdict(run)) and verdict.is_final:
        return verdict
    verdict = settle(choose(evaluations, gate.compare_by), dataset, run, gate)
    verdict = replace(verdict, choice=choice_in_words(evaluations, gate.compare_by))
    storage.write_record(run.verdict_url, asdict(verdict))
    return verdict


def read_verdict(run: Run) -> Verdict | None:
    """The verdict that a run has come to, if it has; runs of schema version 0 keep it in their summary."""
    summary_url = storage.summary_url(run.folder_url)
    if storage.exists(run.verdict_url):
        record = storage.read_record(run.verdict_url)
    elif storage.exists(summary_url):
        record = storage.read_record(summary_url)["champion"]
    else:
        return None
    rules = tuple(storage.from_record(Rule, rule) for rule in record["rules"])
    return storage.from_record(Verdict, record | {"rules": rules})


def settle(challenger: Evaluation, dataset: Dataset, run: Run, gate: Gate) -> Verdict:
    """Decide and promote; anew when another run changes the champion in between.

    Where this run was killed between its promotion and its verdict, that is the one it had come to, by the
    entries of the log before its own. After MAX_RACES times nothing is decided.
    """
    leaking = storage.read_record(storage.audit_url(dataset.url))["counts"].get("leaking", 0)
    for _ in range(MAX_RACES):
        entries = read_promotions(run.store)
        for place, entry in enumerate(entries):
            if is_promotion_by_run(entry) and entry["version"] == challenger.version:
                verdict = decide(challenger, entries[:place], dataset, run, gate, leaking)
                return replace(verdict, promoted=True, reason=entry["reason"])
        verdict = decide(challenger, entries, dataset, run, gate, leaking)
        if not verdict.promoted or append_promotion(
            run.store, len(entries), "promote", challenger.version, verdict.reason
        ):
            return verdict
    reason = f"other runs promoted {MAX_RACES} times meanwhile: resume this one, or promote by hand"
    return replace(verdict, promoted=False, reason=reason, is_final=False)


def promote_by_hand(store: str, version: str, reason: str = "") -> str:
    """Make a version champion whatever the gate would say. Returns the version.

    Raises InputError for an unknown version or the present champion.
    """
    record = read_record(store, version)
    entries = read_promotions(store)
    if champion_stack(entries)[-1:] == [record["version"]]:
        raise InputError(f"The version must not be champion already. Received: {version!r}.")
    why = BY_HAND + (f": {reason}" if reason else "")
    append_by_hand(store, entries, "promote", record["version"], why)
    return record["version"]


def decide(
    challenger: Evaluation,
    entries: Sequence[dict[str, Any]],
    dataset: Dataset,
    run: Run,
    gate: Gate,
    leaking: int,
) -> Verdict:
    """Apply every rule of the gate to a challenger. entries: as `read_promotions` gives them."""
    stack = champion_stack(entries)
    previous = next((version for version in reversed(stack) if version != challenger.version), None)
    metrics = storage.read_json(storage.metrics_url(run.kind_url(challenger.kind)))
    rules = [
        accuracy_rule(challenger.accuracy, gate.min_accuracy),
        recall_rule(metrics["per_class"], gate.min_class_recall),
        leakage_rule(leaking),
    ]
    if gate.min_macro_recall:
        rules.append(macro_recall_rule(metrics["per_class"], gate.min_macro_recall))
    comparison, is_final = None, True
    rules += rules_by_hand(run.version_url(challenger.kind), run.store, entries)
    if previous:
        try:
            champion_rules, comparison = rules_against_champion(challenger, previous, dataset, run, gate)
            rules += champion_rules
        except Exception as error:  # storage, records, Keras: whatever it is, the report is to say so
            is_final = False
            rules.append(
                unjudged_rule(previous, run.name, error_in_words(error, storage.absolute(run.store)))
            )
    refusals = [rule.text for rule in rules if not rule.passed]
    merit = rules[-1].text if comparison else "first champion of this store, " + rules[0].text
    return Verdict(
        challenger.version,
        challenger.kind,
        not refusals,
        "; ".join(refusals) or merit,
        previous,
        comparison,
        tuple(rules),
        is_final,
    )


def rules_by_hand(version_url: str, store: str, entries: Sequence[dict[str, Any]]) -> Iterator[Rule]:
    """The rules that persons add: no challenger while they hold the champion, none with replaced weights.

    version_url: the folder of the challenger.
    """
    if (reason := hold_reason(entries)) is not None:
        yield hold_rule(reason)
    replaced = replaced_by_hand(entries)
    if replaced and (weights := weights_sha256(storage.model_url(version_url))):
        digests = {version: replaced_weights(store, version, entry) for version, entry in replaced.items()}
        twins = [version for version, digest in digests.items() if digest == weights]
        yield twin_rule(twins, {version: entry["reason"] for version, entry in replaced.items()})


def replaced_weights(store: str, version: str, entry: Mapping[str, Any]) -> str | None:
    """Digest of the weights of a replaced champion: in the log's entry; of older entries, from its file."""
    model_url = storage.model_url(storage.version_url(store, version))
    if "replaced_weights" in entry or not storage.exists(model_url):
        return entry.get("replaced_weights")
    return weights_sha256(model_url)


def rules_against_champion(
    challenger: Evaluation, champion_version: str, dataset: Dataset, run: Run, gate: Gate
) -> tuple[list[Rule], dict[str, Any] | None]:
    """The rules that depend on the champion, and the comparison with it; None where it cannot be compared.

    It is judged by what it would be given to classify: pictures of its own size and fit. A challenger that
    knows more classes is compared with it on test images of those that both know. Raises errors of all kinds
    where the champion, or the files of the test images, are lost or damaged.
    """
    champion = read_version(run.store, champion_version)
    by_hand = promotion_by_hand(challenger.version, run.store)
    rules = [classes_rule(champion_version, champion.classes, dataset.classes, by_hand)]
    if not rules[0].passed:
        return rules, None
    test = dataset.split_at(champion.size_px, champion.fit, "test")
    is_shared = np.isin(test.labels, columns_of(champion.classes, dataset.classes))
    unseen = unseen_tests(dataset, read_record(run.store, champion_version).get("dataset"))
    if unseen is not None and not (unseen & is_shared).any():
        return [*rules, unseen_rule(champion_version, int(is_shared.sum()))], None
    read_verified(storage.model_url(champion.folder_url), champion.sha256)  # whichever file answers
    champion_probabilities = predict_split(champion, test)
    _, challenger_probabilities = read_predictions(run.kind_url(challenger.kind))
    comparison = compare_with_champion(
        predict_among(champion.classes, champion_probabilities, champion.classes, dataset.classes),
        predict_among(champion.classes, challenger_probabilities, dataset.classes, dataset.classes),
        test.labels,
        unseen,
        dataset.classes,
        is_shared,
    ) | {"champion_size_px": champion.size_px, "by": gate.compare_by}
    if len(dataset.classes) > len(champion.classes):
        comparison["new_classes"] = [name for name in dataset.classes if name not in champion.classes]
        return [*rules, shared_rule(comparison, gate.worse_p_value)], comparison
    return [*rules, *comparison_rules(comparison, gate.max_p_value)], comparison


def columns_of(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """The place of each name in `classes`."""
    return [classes.index(name) for name in names]


def predict_among(
    shared: Sequence[str], probabilities: np.ndarray, known: Sequence[str], classes: Sequence[str]
) -> np.ndarray:
    """The likeliest of the `shared` classes for each image, int [images]: its place in `classes`.

    probabilities: float [images, known classes]; those of other classes are left out of account.
    """
    places = np.array(columns_of(shared, classes))
    return places[probabilities[:, columns_of(shared, known)].argmax(1)]


def compare_with_champion(
    champion_predicted: np.ndarray,
    challenger_predicted: np.ndarray,
    labels: np.ndarray,
    unseen: np.ndarray | None,
    classes: Sequence[str],
    is_shared: np.ndarray | None = None,
) -> dict[str, Any]:
    """Both models on the test images that the champion was not trained on, in all and class by class.

    The first three are int [images]. unseen: bool [images], as `unseen_tests` gives it; None, where that is
    not known, takes all. is_shared: bool [images], those of classes that both know; None for all. Returns
    what `evaluation.compare` does, the champion first; `left_out`, how many images the champion was trained
    on, None where not known; `per_class`, the recall of both in each class that has images left; and
    `macro_recall`, as `compare_macro_recall` gives it.
    """
    is_judging = np.ones(len(labels), bool) if is_shared is None else is_shared
    is_compared = is_judging if unseen is None else is_judging & unseen
    labels = labels[is_compared]
    champion_right = champion_predicted[is_compared] == labels
    challenger_right = challenger_predicted[is_compared] == labels
    per_class = [
        {
            "class": name,
            "images": int(in_class.sum()),
            "champion_recall": float(np.mean(champion_right[in_class])),
            "challenger_recall": float(np.mean(challenger_right[in_class])),
        }
        for number, name in enumerate(classes)
        if (in_class := labels == number).any()
    ]
    images_left_out = None if unseen is None else int((is_judging & ~unseen).sum())
    return compare(champion_right, challenger_right) | {
        "left_out": images_left_out,
        "per_class": per_class,
        "macro_recall": compare_macro_recall(champion_right, challenger_right, labels),
    }
