"""What answers are worth: wrong labels put right and accuracy won, by the page's order and by a random one.

The labels of the images count as the truth. A person who knows it answers in rounds, with a retraining after
each: of MobileNetV2, frozen, with a linear head on the features that the audit computes (96 px). PLOT=FILE
draws how many wrong labels are put right. A head on such features hardly suffers from wrong labels; so what
they cost is measured over many draws, and in log loss too, which moves with every test image.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import Pipeline

from tasks.errors import JobError
from tasks.pages import style
from tests.bench.measure import Measured
from tests.bench.simulated import Labels, Review, World, accuracy, embed, log_loss, train

FLIPPED = (0.05, 0.1)  # shares of the labels
COSTS, COST_SEEDS = (0.05, 0.1, 0.2, 0.4), 10  # shares flipped to see what they cost, each so often
Z_95 = 1.96
ANSWERS = (0, 100, 300, 600)
STEP = 100  # answers between two retrainings
LABELLED = 2_000  # images to begin with, the others are an inbox; a quarter of a smaller set
ROUNDS, ROUND = 10, 50
SEEDS = 2  # all of it is done so often
RANDOM_DRAWS = 3  # for each seed: they cost a fit only
INBOX_DRAWS, MOST_AT_RANDOM = 1, 2_000

Curve = dict[int, tuple[float, float, float]]  # share repaired, accuracy, log loss by the number of answers
Curves = tuple[list[Curve], list[Curve]]


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    try:
        world = embed(images, scratch / "embedded", os.environ.get("WEIGHTS", "imagenet"))
    except JobError as error:
        Console(stderr=True).print(f"What answers are worth is not measured: {error}")
        return
    repairs = {share: repair(world, scratch, share) for share in FLIPPED}
    for share, (asked, drawn) in repairs.items():
        yield from tell_repair(world, share, asked, drawn)
    if plot := os.environ.get("PLOT"):
        Path(plot).write_bytes(style.png(repair_figure(repairs)))
    yield from tell_costs(world)
    yield from fewer_answers(world, scratch)


def repair(world: World, scratch: Path, share: float) -> Curves:
    """Flip labels and put them right, asked as the page does and at random."""
    asked, drawn = [], []
    for seed in range(SEEDS):
        given = flip(world, share, seed)
        asked.append(asked_in_order(world, scratch / f"flipped-{share}-{seed}", given))
        drawn.append(asked_at_random(world, given, seed))
    return asked, drawn


def tell_repair(world: World, share: float, asked: list[Curve], drawn: list[Curve]) -> Iterator[Measured]:
    sound_model = train(world, world.column("label"), np.ones(len(world.index), bool))
    sound = accuracy(world, sound_model), log_loss(world, sound_model)
    ways = "repaired", "at random", "accuracy", "at random", "log loss", "at random"
    table = Table(f"{share:.0%} flipped; answers", *ways, box=None)
    for answers in ANSWERS:
        pairs = zip(mean(asked, answers), mean(drawn, answers), (".1%", ".2%", ".4f"), strict=True)
        table.add_row(str(answers), *(format(value, words) for *values, words in pairs for value in values))
    table.add_row("no label flipped", "", "", f"{sound[0]:.2%}", "", f"{sound[1]:.4f}")
    Console(stderr=True).print(table)
    (repaired, after, loss), (by_chance, *_) = mean(asked, ANSWERS[-1]), mean(drawn, ANSWERS[-1])
    _, before, loss_before = mean(asked, 0)
    what = f"{share:.0%} of the labels wrong, {ANSWERS[-1]} answers:"
    yield Measured(f"{what} put right", 100 * repaired, "at random", 100 * by_chance, "%")
    yield Measured(
        f"{what} accuracy won", 100 * (after - before), "lost by them", 100 * (sound[0] - before), "points"
    )
    won, lost = 1000 * (loss_before - loss), 1000 * (loss_before - sound[1])
    yield Measured(f"{what} log loss won", won, "lost by them", lost, "thousandths")


def tell_costs(world: World) -> Iterator[Measured]:
    """What wrong labels cost, over many draws of them, with the 95 % interval of the mean over these."""
    everything, truth = np.ones(len(world.index), bool), world.column("label")
    sound_model = train(world, truth, everything)
    for share in COSTS:
        models = [train(world, flip(world, share, seed), everything) for seed in range(COST_SEEDS)]
        lost = np.array([accuracy(world, sound_model) - accuracy(world, model) for model in models])
        width = Z_95 * lost.std(ddof=1) / np.sqrt(len(lost))
        what = f"{share:.0%} of the labels wrong cost, mean of {len(lost)} draws"
        yield Measured(what, 100 * lost.mean(), "to the ends of its interval", 100 * width, "points")


def repair_figure(repairs: Mapping[float, Curves]) -> Figure:
    """The share of the wrong labels that is put right by answers."""
    figure = Figure(figsize=(7.3, 3.4), layout="constrained")
    axes = figure.subplots()
    for share, colour in zip(repairs, style.PALETTE, strict=False):
        ways = zip(repairs[share], ("as the page asks", "at random"), ("-", "--"), strict=True)
        for curves, way, line in ways:
            points = [(answers, mean(curves, answers)[0]) for answers in curves[0]]
            axes.plot(*zip(*points, strict=True), line, color=colour, label=f"{share:.0%} wrong, {way}")
    style.label_axes(axes, "answers", "wrong labels put right", grid="y", shares="y")
    axes.legend(frameon=False, fontsize=9)
    return style.finish(figure)


def flip(world: World, share: float, seed: int) -> Labels:
    """The labels; a share of those outside of the test split, drawn at random, is of another class."""
    random = np.random.default_rng(seed)
    labels, classes = world.column("label"), np.array(world.dataset.classes)
    may_be_flipped = np.flatnonzero(~world.split("test"))
    flipped = random.choice(may_be_flipped, round(share * len(may_be_flipped)), replace=False)
    places = np.searchsorted(classes, labels[flipped])
    labels[flipped] = classes[(places + random.integers(1, len(classes), len(flipped))) % len(classes)]
    return labels


def asked_in_order(world: World, folder: Path, given: Labels) -> Curve:
    """Share repaired, accuracy and log loss after some answers, asked as the page does."""
    review = Review(world, folder, given, np.ones(len(world.index), bool))
    curve = {}
    for answers in range(0, ANSWERS[-1] + 1, STEP):
        curve[answers] = point(world, given, review.labels()[0], review.retrain())
        if answers < ANSWERS[-1]:
            review.answer(STEP)
    return curve


def asked_at_random(world: World, given: Labels, seed: int) -> Curve:
    """The same of images outside of the test split, drawn at random; the mean of a few draws."""
    curves = []
    for draw in range(RANDOM_DRAWS):
        order = np.random.default_rng([seed, draw]).permutation(np.flatnonzero(~world.split("test")))
        labels, curve = given.copy(), {}
        for answers in ANSWERS:
            labels[order[:answers]] = world.column("label")[order[:answers]]
            curve[answers] = point(world, given, labels, train(world, labels, labels != ""))
        curves.append(curve)
    return {answers: mean(curves, answers) for answers in ANSWERS}


def point(world: World, given: Labels, labels: Labels, model: Pipeline) -> tuple[float, float, float]:
    return repaired(world, given, labels), accuracy(world, model), log_loss(world, model)


def repaired(world: World, given: Labels, labels: Labels) -> float:
    """The share of the wrong labels that are right now."""
    was_wrong = given != world.column("label")
    return float((labels == world.column("label"))[was_wrong].mean())


def mean(curves: list[Curve], answers: int) -> tuple[float, float, float]:
    shares, accuracies, losses = np.mean([curve[answers] for curve in curves], 0)
    return float(shares), float(accuracies), float(losses)


def fewer_answers(world: World, scratch: Path) -> Iterator[Measured]:
    """Label an inbox, and tell how many answers at random are worth as much as those the page asks for."""
    asked, drawn = [], []
    for seed in range(SEEDS):
        trainable = np.random.default_rng(seed).permutation(np.flatnonzero(world.split("train")))
        labelled = ~world.split("train")
        labelled[trainable[: min(LABELLED, len(trainable) // 4)]] = True
        asked.append(labelled_in_order(world, scratch / f"inbox-{seed}", labelled))
        drawn += [labelled_at_random(world, labelled, seed, draw) for draw in range(INBOX_DRAWS)]
    in_order, at_random = (
        np.mean([list(curve.values()) for curve in curves], 0) for curves in (asked, drawn)
    )
    needed = answers_needed(np.array(list(drawn[0])), at_random, in_order)
    table = Table("answers", "accuracy", "as many at random", "at random for the same", box=None)
    for place, answers in enumerate(asked[0]):
        same = f"{needed[place]:,.0f}" if np.isfinite(needed[place]) else f"over {list(drawn[0])[-1]:,}"
        table.add_row(str(answers), f"{in_order[place]:.2%}", f"{at_random[place]:.2%}", same)
    Console(stderr=True).print(table)
    answers = ROUNDS * ROUND
    what = f"as right as after {answers} answers about an inbox: at random"
    yield Measured(what, needed[-1], "by the page's order", answers, "answers")


def labelled_in_order(world: World, folder: Path, labelled: np.ndarray) -> dict[int, float]:
    """Accuracy after each round of answers, asked as the page does."""
    review = Review(world, folder, world.column("label"), labelled)
    curve = {}
    for answers in range(0, (ROUNDS + 1) * ROUND, ROUND):
        curve[answers] = accuracy(world, review.retrain())
        if answers < ROUNDS * ROUND:
            review.answer(ROUND)
    return curve


def labelled_at_random(world: World, labelled: np.ndarray, seed: int, draw: int) -> dict[int, float]:
    """Accuracy after as many labels of the inbox drawn at random, and after more than those."""
    order = np.random.default_rng([seed, draw]).permutation(np.flatnonzero(~labelled))
    curve = {}
    for answers in range(0, min(MOST_AT_RANDOM, len(order)) + 1, ROUND):
        known = labelled.copy()
        known[order[:answers]] = True
        curve[answers] = accuracy(world, train(world, world.column("label"), known))
    return curve


def answers_needed(answers: np.ndarray, accuracies: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """After how many answers each accuracy is reached by a curve, smoothed to rise; inf where it is not."""
    rising = IsotonicRegression().fit_transform(answers, accuracies)
    return np.interp(wanted, rising, answers, right=np.inf)
