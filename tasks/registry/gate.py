"""Who becomes champion: what a challenger must reach, rule by rule, or what a person decides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.dataset import Dataset
from tasks.errors import InputError, JobError
from tasks.evaluation import Evaluation, compare, read_predictions
from tasks.networks import predict_split
from tasks.parameters import Gate
from tasks.registry.promotions import append_by_hand, append_promotion, champion_stack, read_promotions
from tasks.registry.since import unseen_tests
from tasks.registry.versions import read_record, read_version
from tasks.storage import Run

RACES = 5
NAMED = 3  # classes in one line


@dataclass(frozen=True)
class Rule:
    """One rule of the gate, and how a challenger stands to it; `text` says it in words.

    `value` must be `asks` ("at least", "at most", "more than") `limit`: a share, a count or a p-value, None
    where the rule is no number.
    """

    name: str
    asks: str
    limit: float | None
    value: float | None
    passed: bool
    text: str


@dataclass(frozen=True)
class Verdict:
    """What became of the best model of a run, and by which rules.

    `comparison` is with the champion on the same test images, where there was one of the same classes that
    had not been trained on all of them: see `against`.
    """

    version: str
    model: str
    promoted: bool
    reason: str
    previous: str | None
    comparison: dict[str, Any] | None = None
    rules: tuple[Rule, ...] = ()

    def __str__(self) -> str:
        return f"{self.version}: {'yes' if self.promoted else 'no'}, {self.reason}"


@task(cache_policy=NO_CACHE, task_run_name="promote")
def promote(judged: Sequence[Evaluation], dataset: Dataset, run: Run, gate: Gate) -> Verdict:
    """Make the run's best model (by validation) champion, if it passes the gate and no race is lost."""
    challenger = max(judged, key=lambda evaluation: evaluation.val_accuracy)
    leaking = storage.read_json(storage.audit_url(dataset.url))["counts"].get("leaking", 0)
    for _ in range(RACES):
        entries = read_promotions(run.store)
        verdict = decide(challenger, champion_stack(entries), dataset, run, gate, leaking)
        if champion_stack(entries)[-1:] == [challenger.version]:  # this run was killed after its promotion
            return replace(verdict, promoted=True, reason=entries[-1]["reason"])
        if not verdict.promoted or append_promotion(
            run.store, len(entries), "promote", challenger.version, verdict.reason
        ):
            return verdict
    raise JobError(f"Other runs promoted their models {RACES} times meanwhile; promote by hand if need be.")


def promote_by_hand(store: str, version: str, reason: str = "") -> str:
    """Make a version the champion whatever the gate would say. Returns the version."""
    record = read_record(store, version)
    entries = read_promotions(store)
    if champion_stack(entries)[-1:] == [record["version"]]:
        raise InputError(f"The version must not be champion already. Received: {version!r}.")
    why = "promoted by hand" + (f": {reason}" if reason else "")
    append_by_hand(store, len(entries), "promote", record["version"], why)
    return record["version"]


def decide(
    challenger: Evaluation, stack: Sequence[str], dataset: Dataset, run: Run, gate: Gate, leaking: int
) -> Verdict:
    """Hold a challenger against every rule of the gate, and against the champion, the last of `stack`."""
    others = [version for version in stack if version != challenger.version]
    previous = others[-1] if others else None
    metrics = storage.read_json(storage.metrics_url(run.kind_url(challenger.kind)))
    rules = [
        accuracy_rule(challenger.accuracy, gate.min_accuracy),
        recall_rule(metrics["per_class"], gate.min_class_recall),
        leakage_rule(leaking),
    ]
    comparison = None
    if previous:
        champion = read_version(run.store, previous)
        unseen = unseen_tests(dataset, read_record(run.store, previous).get("dataset"))
        rules.append(classes_rule(previous, champion.classes, dataset.classes))
        if unseen is not None and not unseen.any():
            rules.append(unseen_rule(previous, len(unseen)))
        elif champion.classes == dataset.classes:
            test = dataset.split("test")
            champion_said = predict_split(
                storage.model_url(champion.folder_url), test, champion.sha256
            ).argmax(1)
            said = read_predictions(run.kind_url(challenger.kind))[1]
            comparison = against(champion_said, said, test.labels, unseen, dataset.classes)
            rules += champion_rules(comparison, gate.max_p_value)
    refused = [rule.text for rule in rules if not rule.passed]
    earned = rules[-1].text if comparison else "first champion of this store, " + rules[0].text
    return Verdict(
        challenger.version,
        challenger.kind,
        not refused,
        "; ".join(refused) or earned,
        previous,
        comparison,
        tuple(rules),
    )


def accuracy_rule(accuracy: float, least: float) -> Rule:
    return at_least("test accuracy", accuracy, least)


def recall_rule(per_class: Sequence[Mapping[str, Any]], least: float) -> Rule:
    """The least recall of any class that has test images; others that are too low are named as well."""
    found = sorted((row["recall"], row["class"]) for row in per_class if row["support"])
    (lowest, name), *others = found
    rule = at_least(f"recall of {name}", lowest, least)
    also = [f"{other} {recall:.3f}" for recall, other in others if recall < least]
    return replace(rule, text=f"{rule.text} (too low as well: {listed(also)})") if also else rule


def at_least(name: str, value: float, least: float) -> Rule:
    passed = value >= least
    text = (
        f"{name} {value:.3f}, at least {least:.3f} asked"
        if passed
        else f"{name} {value:.3f} is {least - value:.2g} below the least allowed, {least:.3f}"
    )
    return Rule(name, "at least", least, value, passed, text)


def leakage_rule(leaking: int) -> Rule:
    """No image may have been trained on that is a copy of one that judges: results would flatter the model.

    leaking: how many are, as audit.json counts them; there can be some under the policy `leakage` report.
    """
    copies = f"{leaking:,} {'image is a copy' if leaking == 1 else 'images are copies'}"
    text = (
        f"{copies} of images that judge and not left out of training, 0 allowed: run with `leakage` exclude"
        if leaking
        else "no copy of an image that judges was trained on"
    )
    return Rule("copies of judging images trained on", "at most", 0, leaking, not leaking, text)


def classes_rule(champion: str, known: Sequence[str], asked: Sequence[str]) -> Rule:
    gone, new = (sorted(set(one) - set(other)) for one, other in ((known, asked), (asked, known)))
    passed = tuple(known) == tuple(asked)
    text = (
        f"the same {len(asked)} classes as the champion"
        if passed
        else f"the champion {champion} knows other classes (gone: {listed(gone)}; new: {listed(new)}): they "
        "cannot be compared; promote by hand if the change is meant"
    )
    return Rule("classes of the champion", "the same", None, None, passed, text)


def unseen_rule(champion: str, images: int) -> Rule:
    text = (
        f"the champion {champion} was trained on all {images:,} test images, or on copies of them: they "
        "cannot be compared; put new images into the test split, or promote by hand"
    )
    return Rule("test images new to the champion", "at least", 1, 0, False, text)


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more or "none"


def against(
    champion_said: np.ndarray,
    challenger_said: np.ndarray,
    labels: np.ndarray,
    unseen: np.ndarray | None,
    classes: Sequence[str],
) -> dict[str, Any]:
    """The champion against the challenger on the same test images, in all and class by class.

    Each int [images]. unseen: bool [images], those that the champion was not trained on, since only they can
    judge it; None for all, where that is not known. Gives what metrics.compare does, the champion first;
    `left_out`, how many images were, None where not known; and `per_class` with the recall of both, of the
    classes that have such images.
    """
    chosen = np.ones(len(labels), bool) if unseen is None else unseen
    champion_said, challenger_said, labels = champion_said[chosen], challenger_said[chosen], labels[chosen]
    per_class = [
        {
            "class": name,
            "images": int(own.sum()),
            "champion_recall": float(np.mean(champion_said[own] == label)),
            "challenger_recall": float(np.mean(challenger_said[own] == label)),
        }
        for label, name in enumerate(classes)
        if (own := labels == label).any()
    ]
    left_out = None if unseen is None else int((~unseen).sum())
    found = compare(champion_said == labels, challenger_said == labels)
    return found | {"left_out": left_out, "per_class": per_class}


def champion_rules(comparison: Mapping[str, Any], most: float) -> Iterator[Rule]:
    """More of the same test images right than the champion; and then, beyond chance where that is asked.

    To ask only that a challenger be not significantly worse would let a row of nightly runs walk downhill:
    each may lose a little to the one before it. With the count of right images the champion never gets
    worse on the test images at hand, whatever the level.
    """
    gained, lost, p_value = comparison["only_second"], comparison["only_first"], comparison["p_value"]
    champion, challenger = (comparison["both_right"] + only for only in (lost, gained))
    how = (
        f"{'better' if gained > lost else 'worse'} than the champion by {abs(gained - lost):,}"
        if gained != lost
        else "no better than the champion"
    )
    text = (
        f"{how}: of the same {comparison['images']:,} test images{left_out(comparison['left_out'])} it gets "
        f"{challenger:,} right, the champion {champion:,} ({gained:,} gained, {lost:,} lost; "
        f"exact McNemar p = {p_value:.2g})"
    )
    yield Rule("test images right", "more than", champion, challenger, gained > lost, text)
    if gained > lost:
        yield chance_rule(text, p_value, most)


def left_out(images: int | None) -> str:
    if images is None:
        return " (all: what the champion was trained on is no longer known)"
    return f" ({images:,} more left out: known to the champion from training)" if images else ""


def chance_rule(text: str, p_value: float, most: float) -> Rule:
    passed = p_value <= most
    if not passed:
        text += f", which may be chance: p is {p_value - most:.2g} above the most allowed, {most:.2g}"
    return Rule("p of the exact McNemar test", "at most", most, p_value, passed, text)
