"""The rules of the gate: each says in words whether a challenger passes it, and by how much."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.registry.duel import Duel, duel_of

MAX_NAMES = 3  # of classes in one line
LOST_SHARE = 0.1  # of a class's images; a class that loses as much is named
CHANCE_P = 0.05  # below it, a difference is more than chance


@dataclass(frozen=True)
class Rule:
    """One rule of the gate, and whether a challenger passes it; `text` says so in words.

    `value` must be `asks` ("at least", "at most", "more than") `limit`: a share, a count or a p-value; both
    are None for a rule about something else, such as the classes.
    """

    name: str
    asks: str
    limit: float | None
    value: float | None
    passed: bool
    text: str


def accuracy_rule(accuracy: float, min_accuracy: float) -> Rule:
    return at_least("test accuracy", accuracy, min_accuracy)


def recall_rule(per_class: Sequence[Mapping[str, Any]], min_recall: float) -> Rule:
    """The lowest recall of any class; the text names other classes that are too low.

    A class without test images fails the rule, since nothing is known of it.
    """
    untested = [row["class"] for row in per_class if not row["support"]]
    if untested and min_recall > 0:
        text = f"no test images of {list_names(untested)}: a recall of at least {min_recall:.3f} is asked"
        return Rule(f"recall of {untested[0]}", "known", None, None, False, text)
    recalls = sorted((row["recall"], row["class"]) for row in per_class if row["support"])
    (lowest, lowest_class), *higher = recalls
    rule = at_least(f"recall of {lowest_class}", lowest, min_recall)
    also_too_low = [f"{name} {recall:.3f}" for recall, name in higher if recall < min_recall]
    if not also_too_low:
        return rule
    return replace(rule, text=f"{rule.text} (too low as well: {list_names(also_too_low)})")


def macro_recall_rule(per_class: Sequence[Mapping[str, Any]], min_recall: float) -> Rule:
    """The mean recall of the classes that have test images."""
    recalls = [row["recall"] for row in per_class if row["support"]]
    return at_least("macro recall", sum(recalls) / max(len(recalls), 1), min_recall)


def at_least(name: str, value: float, minimum: float) -> Rule:
    passed = value >= minimum
    text = (
        f"{name} {value:.3f}, at least {minimum:.3f} asked"
        if passed
        else f"{name} {value:.3f} is {minimum - value:.2g} below the least allowed, {minimum:.3f}"
    )
    return Rule(name, "at least", minimum, value, passed, text)


def leakage_rule(leaking: int) -> Rule:
    """No training image may be a copy of a validation or test image: that would flatter the model's results.

    leaking: how many are, as audit.json counts them; above 0 only under the policy `leakage` report.
    """
    copies = f"{leaking:,} {'image is a copy' if leaking == 1 else 'images are copies'}"
    text = (
        f"{copies} of images that judge and not left out of training, 0 allowed: run with `leakage` exclude"
        if leaking
        else "no copy of an image that judges was trained on"
    )
    return Rule("copies of judging images trained on", "at most", 0, leaking, not leaking, text)


def promotion_by_hand(version: str, store: str) -> str:
    """The command by which a person promotes a version whatever the gate says."""
    return f"`darkroom models promote {version} --store {shlex.quote(store)}`"


def classes_rule(
    champion: str, champion_classes: Sequence[str], classes: Sequence[str], by_hand: str
) -> Rule:
    """The challenger must know every class of the champion; it may know new ones.

    A class that was renamed has gone, and only a person knows what that means for whoever reads the labels.
    by_hand: as `promotion_by_hand` gives it.
    """
    gone = sorted(set(champion_classes) - set(classes))
    new = sorted(set(classes) - set(champion_classes))
    if gone:
        text = (
            f"the champion {champion} knows classes that are not there any more (gone: {list_names(gone)}; "
            f"new: {list_names(new)}): if that is meant, {by_hand}"
        )
    elif new:
        text = f"all {len(champion_classes)} classes of the champion, and new: {list_names(new)}"
    else:
        text = f"the same {len(classes)} classes as the champion"
    asks = "all" if gone or new else "the same"
    return Rule("classes of the champion", asks, None, None, not gone, text)


def unseen_rule(champion: str, images: int) -> Rule:
    """The refusal where the champion was trained on all of the test images, of which there are `images`."""
    text = (
        f"the champion {champion} was trained on all {images:,} test images, or on copies of them: they "
        "cannot be compared; put new images into the test split, or promote by hand"
    )
    return Rule("test images new to the champion", "at least", 1, 0, False, text)


def unjudged_rule(champion: str, run: str, reason: str) -> Rule:
    """The refusal where the champion, or what it is judged on, is lost or damaged.

    Only a person knows whether it is gone for good: to a run a store half mounted looks the same.
    """
    text = (
        f"the champion {champion} could not be judged, and nothing is promoted over it unseen ({reason}): "
        f"restore what is missing and `--resume {run}`, or promote by hand"
    )
    return Rule("champion on the same test images", "judged", None, None, False, text)


def hold_rule(reason: str) -> Rule:
    """The refusal while a person holds the champion."""
    text = f"the champion is held ({reason}): `darkroom models release` lets runs replace it again"
    return Rule("champion held by hand", "released", None, None, False, text)


def twin_rule(twins: Sequence[str], replaced: Mapping[str, str]) -> Rule:
    """A challenger must not have the weights of a champion that a person has replaced.

    twins: those that it has the weights of. replaced: all that were replaced, and why.
    """
    text = (
        f"it has the weights of {list_names(twins)}, which a person replaced ({replaced[twins[0]]})"
        if twins
        else "other weights than the champions that a person has replaced"
    )
    return Rule("weights of a champion replaced by hand", "others", None, None, not twins, text)


def list_names(names: Sequence[str]) -> str:
    """At most MAX_NAMES of the names, and how many more there are; `none` for none."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more or "none"


def comparison_rules(comparison: Mapping[str, Any], max_p_value: float) -> Iterator[Rule]:
    """The challenger must be better on the same test images than the champion and, if so, significantly so.

    A gate that only refused significantly worse challengers would let the champion decline: each of many
    nightly runs may lose a little to the one before it. So it never gets worse on the test images at hand,
    whatever `max_p_value`; with 1 the figures alone decide.
    """
    duel = duel_of(comparison)
    text = (
        f"{duel.words}{'' if duel.is_equal else chance_in_words(duel)}"
        f"{losses_in_words(comparison['per_class'])}"
    )
    yield Rule(duel.name, "more than", duel.champion, duel.challenger, duel.is_better, text)
    if duel.is_better:
        yield chance_rule(text, duel, max_p_value)


def shared_rule(comparison: Mapping[str, Any], worse_p_value: float) -> Rule:
    """A challenger that knows new classes must not be worse than the champion on those that both know.

    It need not be better: that it knows more is the gain. New classes come seldom, so that a champion does
    not decline by many small losses. What the new classes must reach, `recall_rule` says.
    """
    duel = duel_of(comparison)
    passed = duel.p_of_worse > worse_p_value
    text = (
        f"on the classes that both know (new: {list_names(comparison['new_classes'])}) "
        f"{duel.words}; one-sided {duel.test} p = {duel.p_of_worse:.2g} is "
        f"{'above' if passed else 'not above'} {worse_p_value:.2g}, so "
        f"{'not worse beyond chance' if passed else 'it is worse'}{losses_in_words(comparison['per_class'])}"
    )
    name = f"one-sided p of the {duel.test} test"
    return Rule(name, "more than", worse_p_value, duel.p_of_worse, passed, text)


def chance_in_words(duel: Duel) -> str:
    chance = "more than chance" if duel.p_value < CHANCE_P else "which may be chance"
    return f", {chance}, {duel.test} p = {duel.p_value:.2g}"


def losses_in_words(per_class: Sequence[Mapping[str, Any]]) -> str:
    """The classes that lost LOST_SHARE or more, those that lost most first; empty where none did.

    per_class: as `compare_with_champion` gives it.
    """
    losses = [(row["champion_recall"] - row["challenger_recall"], row["class"]) for row in per_class]
    points = [
        f"{name} {100 * loss:.0f}" for loss, name in sorted(losses, reverse=True) if loss >= LOST_SHARE - 1e-9
    ]
    if not points:
        return ""
    classes = "1 class" if len(points) == 1 else f"{len(points):,} classes"
    return f"; {classes} lost {100 * LOST_SHARE:.0f} points or more: {list_names(points)}"


def chance_rule(text: str, duel: Duel, max_p_value: float) -> Rule:
    """The rule that the difference is significant; its text is that of the difference, `text`, and more."""
    passed = duel.p_value <= max_p_value
    if not passed:
        excess = duel.p_value - max_p_value
        text += f"; p is {excess:.2g} above the most allowed, {max_p_value:.2g}"
    return Rule(f"p of the {duel.test} test", "at most", max_p_value, duel.p_value, passed, text)
