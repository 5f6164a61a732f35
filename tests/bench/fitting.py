"""What squeezing, padding and cropping are worth where pictures are no squares.

Of square images strips are cut, tall or wide by chance, as a camera would have taken them: their proportions
are true. A linear head on MobileNetV2, frozen, learns from the features of the audit (96 px), and is
judged on the test split; beside it stands what whole squares give.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from tasks.dataset.folders import LabelledFile
from tasks.dataset.listing import label_images
from tasks.errors import JobError
from tasks.evaluation.metrics import compare
from tasks.parameters import Data, Fit
from tests.bench.measure import Measured
from tests.bench.simulated import World, embed, train

SHAPES = ((3, 2), (3, 1))  # the long side to the short one
MOST_OF_A_CLASS = {"train": 250, "test": 400}
FITS: tuple[Fit, ...] = ("squeeze", "pad", "crop")


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    try:
        squares = right_on_test(cut(images, scratch / "1x1", (1, 1)), scratch, "squeeze")
    except JobError as error:
        Console(stderr=True).print(f"What fits are worth is not measured: {error}")
        return
    table = Table("shape", "fit", "accuracy", "only squeezed right", "only this right", "p", box=None)
    for long, short in SHAPES:
        folder = cut(images, scratch / f"{long}x{short}", (long, short))
        right = {fit: right_on_test(folder, scratch, fit) for fit in FITS}
        for fit in FITS:
            paired = compare(
                *(np.array([right[each][path] for path in right[fit]]) for each in ("squeeze", fit))
            )
            cells = (paired["only_first"], paired["only_second"], f"{paired['p_value']:.3f}")
            table.add_row(f"{long}:{short}", fit, f"{share(right[fit]):.2%}", *map(str, cells))
            what, against = f"{long}:{short}, {fit}: accuracy", "the squares they were cut from"
            yield Measured(what, 100 * share(right[fit]), against, 100 * share(squares), "%")
    Console(stderr=True).print(table)


def share(right: dict[str, bool]) -> float:
    return sum(right.values()) / len(right)


def cut(images: Path, folder: Path, shape: tuple[int, int]) -> Path:
    """Strips from the middle of some images of each class and split, as PNGs in class folders."""
    chance, chosen = np.random.default_rng(0), defaultdict[tuple[str, str], list[LabelledFile]](list)
    for row in label_images(str(images), Data()).rows:
        if row.label and len(chosen[row.split, row.label]) < MOST_OF_A_CLASS.get(row.split, 0):
            chosen[row.split, row.label].append(row)
    for (split, label), rows in chosen.items():
        (folder / split / label).mkdir(parents=True)
        for number, row in enumerate(rows):
            pixels = cv2.imread(str(images / row.file.path))
            is_tall = chance.random() < 0.5
            if pixels is not None:
                strip = strip_of(pixels, shape if is_tall else shape[::-1])
                cv2.imwrite(str(folder / split / label / f"{number:04d}.png"), strip)
    return folder


def strip_of(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The middle of a picture, of a height and width in the proportion `shape`."""
    scale = min(side / part for side, part in zip(pixels.shape, shape, strict=False))
    height, width = (round(scale * part) for part in shape)
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def right_on_test(folder: Path, scratch: Path, fit: Fit) -> dict[str, bool]:
    """Whether each test image, by its path, is taken for its class. Raises JobError without weights."""
    weights = os.environ.get("WEIGHTS", "imagenet")
    world: World = embed(folder, scratch / "fits", weights, Data(fit=fit))
    labels, test = world.column("label"), world.split("test")
    model = train(world, labels, np.ones(len(world.index), bool))
    right = model.predict(world.features[test]) == labels[test]
    return dict(zip(world.column("path")[test], map(bool, right), strict=True))
