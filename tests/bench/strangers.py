"""Pictures of other kinds than photographs of a user's classes, from what is installed wherever this runs."""

import sysconfig
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import sklearn
from matplotlib.figure import Figure
from PIL import Image

from tasks.pictures import decode_image

PICTURES = 60  # of each kind
LEAST_PX = 64  # the shorter side of a logo
DOCS = Path(__file__).parents[2] / "docs"
SAMPLES = Path(mpl.get_data_path()) / "sample_data"
FLOWER = Path(sklearn.__file__).parent / "datasets/images/flower.jpg"
WORDS = ["image", "class", "of", "the", "and", "a", "model", "night", "folder", "score", "training"]


def strangers(size_px: int) -> dict[str, np.ndarray]:
    """Of each kind PICTURES pictures or fewer, uint8 [pictures, size_px, size_px, 3]."""
    chance = np.random.default_rng(0)
    kinds = {
        "a flower": crops([FLOWER], chance),
        "a portrait": crops([SAMPLES / "grace_hopper.jpg"], chance),
        "screens": crops([DOCS / f"{name}.png" for name in ("report", "review", "form", "summary")], chance),
        "plots": (drawn(figure) for figure in plots(chance)),
        "text": (drawn(figure) for figure in pages(chance)),
        "logos": logos(),
    }
    return {
        kind: np.stack([decode_image(data, size_px).pixels for data in pictures])
        for kind, pictures in kinds.items()
    }


def crops(files: list[Path], chance: np.random.Generator) -> Iterator[bytes]:
    """Squares of 30 to 100 % of the shorter side, anywhere in the pictures, as PNG."""
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    for number in range(PICTURES):
        picture = pictures[number % len(pictures)]
        height, width = picture.shape[:2]
        side = int(min(height, width) * chance.uniform(0.3, 1))
        top, left = chance.integers(height - side + 1), chance.integers(width - side + 1)
        yield encoded(picture[top : top + side, left : left + side])


def plots(chance: np.random.Generator) -> Iterator[Figure]:
    for number in range(PICTURES):
        figure = Figure(figsize=(3, 3))
        axes, x = figure.subplots(), np.sort(chance.normal(size=40))
        if number % 4 == 0:
            axes.plot(x, chance.normal(size=(40, 3)).cumsum(0))
        elif number % 4 == 1:
            axes.bar(range(6), chance.uniform(1, 9, 6))
        elif number % 4 == 2:
            axes.scatter(x, chance.normal(size=40), c=x)
        else:
            axes.imshow(chance.normal(size=(9, 9)))
        yield figure


def pages(chance: np.random.Generator) -> Iterator[Figure]:
    for _ in range(PICTURES):
        figure = Figure(figsize=(3, 3))
        lines = [" ".join(chance.choice(WORDS, 9)) for _ in range(14)]
        figure.text(0.05, 0.95, "\n".join(lines), va="top", size=chance.uniform(6, 11))
        yield figure


def drawn(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def logos() -> Iterator[bytes]:
    """Pictures that packages bring for their pages; each only once."""
    seen = set()
    for path in sorted(Path(sysconfig.get_path("purelib")).rglob("*.png")):
        picture = cv2.imread(str(path))
        data = path.read_bytes()
        if picture is not None and min(picture.shape[:2]) >= LEAST_PX and data not in seen:
            seen.add(data)
            yield data


def encoded(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
