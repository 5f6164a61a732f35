"""Draws the built-in sample: six classes of painted landscapes, and a few awkward files."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tasks.errors import InputError
from tasks.sample.scenes import SCENES, draw_scene

SIZE_PX = 150
CLASSES = sorted(SCENES)
SPLITS = ("seg_train", "seg_test", "seg_pred", "awkward")
LIST = "awkward.json"
DUPLICATE = ("seg_train/seg_train/sea/sea_0000.jpg", "seg_test/seg_test/sea/sea_copy.jpg")


@dataclass(frozen=True)
class Sample:
    """Where a sample was drawn, and how many files each split holds, awkward ones included."""

    root: str
    train: int
    test: int
    unlabelled: int


def draw_sample(root: str, images_per_class: int = 120, seed: int = 0) -> Sample:
    """Draw the sample below the local folder `root`, in place of an earlier sample.

    Every fifth picture of a class is a test picture. `awkward.json` names the files that are
    broken or odd on purpose; they come on top of `images_per_class`.
    """
    if images_per_class < 5:
        raise InputError(f"`images_per_class` must be 5 or more. Received: {images_per_class}.")
    folder = Path(root)
    empty(folder)
    awkward = awkward_files(seed)
    duplicates = dict.fromkeys(DUPLICATE, "exact duplicate across train and test")
    named = duplicates | {path: what for path, (what, _) in awkward.items()}
    rows = [{"path": path, "what": what} for path, what in named.items()]
    write(folder / LIST, json.dumps(rows, indent=2).encode())
    for path, (_, data) in awkward.items():
        write(folder / path, data)
    draw_labelled(folder, images_per_class, seed)
    draw_unlabelled(folder, images_per_class * len(CLASSES) // 10, seed)
    original, copy = DUPLICATE
    write(folder / copy, (folder / original).read_bytes())
    counts = [sum(1 for _ in (folder / split).rglob("*.jpg")) for split in SPLITS[:3]]
    return Sample(root, *counts)


def picture(seed: int, split: str, name: str, index: int) -> bytes:
    """One JPEG, which depends on these four and nothing else."""
    rng = np.random.default_rng((seed, SPLITS.index(split), CLASSES.index(name), index))
    image = photograph(draw_scene(name, rng), rng)
    return encoded(image, ".jpg", int(rng.integers(35, 96)))


def empty(folder: Path) -> None:
    """Clear away an earlier sample; refuse to touch anything else."""
    if folder.is_dir() and (folder / LIST).is_file():
        for split in SPLITS[:3]:
            if (folder / split).exists():
                shutil.rmtree(folder / split)
    elif folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(
            f"`root` must be a new or empty folder, or an earlier sample (it holds {LIST}). "
            f"Received: '{folder}'. Name another folder, or empty this one first."
        )


def draw_labelled(folder: Path, images_per_class: int, seed: int) -> None:
    test = images_per_class // 5
    for split, count in (("seg_train", images_per_class - test), ("seg_test", test)):
        for name in CLASSES:
            for index in range(count):
                path = folder / split / split / name / f"{name}_{index:04d}.jpg"
                write(path, picture(seed, split, name, index))


def draw_unlabelled(folder: Path, count: int, seed: int) -> None:
    for index in range(count):
        data = picture(seed, "seg_pred", CLASSES[index % len(CLASSES)], index)
        write(folder / "seg_pred" / "seg_pred" / f"image_{index:04d}.jpg", data)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def awkward_files(seed: int) -> dict[str, tuple[str, bytes]]:
    """Path below the root, what is awkward about the file, and its bytes."""
    makers: tuple[tuple[str, str, str, Callable[[bytes], bytes]], ...] = (
        ("seg_train/seg_train/glacier/glacier_truncated.jpg", "glacier", "truncated JPEG", truncated),
        ("seg_train/seg_train/street/street_alpha.jpg", "street", "PNG with alpha, named .jpg", with_alpha),
        ("seg_train/seg_train/mountain/mountain_rotated.jpg", "mountain", "JPEG rotated by EXIF", rotated),
        ("seg_train/seg_train/forest/forest_grey.jpg", "forest", "grey JPEG", grey),
        ("seg_train/seg_train/buildings/buildings_narrow.jpg", "buildings", "40x300 JPEG", narrow),
        ("seg_pred/seg_pred/image_truncated.jpg", "sea", "truncated JPEG", truncated),
    )
    return {path: (what, make(picture(seed, "awkward", name, 0))) for path, name, what, make in makers}


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def with_alpha(data: bytes) -> bytes:
    fade = np.repeat(np.linspace(255, 40, SIZE_PX).astype(np.uint8)[:, None], SIZE_PX, axis=1)
    return encoded(np.dstack([decoded(data), fade]), ".png")


def rotated(data: bytes) -> bytes:
    """Stored lying on its left side, 110x150, with the tag (orientation 6) that sets it upright."""
    lying = cv2.rotate(decoded(data)[20:130], cv2.ROTATE_90_COUNTERCLOCKWISE)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(lying).save(file, "JPEG", quality=90, exif=exif)
    return file.getvalue()


def grey(data: bytes) -> bytes:
    return encoded(cv2.cvtColor(decoded(data), cv2.COLOR_RGB2GRAY), ".jpg", 90)


def narrow(data: bytes) -> bytes:
    middle = decoded(data)[:, 65:85]
    return encoded(cv2.resize(middle, (40, 300), interpolation=cv2.INTER_CUBIC), ".jpg", 90)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def encoded(image: np.ndarray, extension: str, quality: int = 90) -> bytes:
    if image.ndim == 3:
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if extension == ".jpg" else []
    return cv2.imencode(extension, image, options)[1].tobytes()


def photograph(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Take a picture of a scene, float32 0 to 1: framing, weather, exposure, lens, grain. Returns uint8."""
    image = weather(framed(scene, rng), rng)
    balance = rng.uniform(0.96, 1.03, 3) * rng.uniform(0.88, 1.12)
    image = np.clip(image * balance, 0, 1).astype(np.float32) ** np.float32(rng.uniform(0.88, 1.15))
    if rng.random() < 0.015:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    grain = rng.choice([0.005, 0.012, 0.03], p=(0.6, 0.32, 0.08))
    image = blurred(image, rng) + grain * rng.standard_normal((SIZE_PX, SIZE_PX, 1), dtype=np.float32)
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)


def framed(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Zoom in, tilt the horizon and look a little aside."""
    zoom = (
        SIZE_PX
        / scene.shape[0]
        * rng.choice([rng.uniform(1.02, 1.12), rng.uniform(1.12, 1.5)], p=(0.92, 0.08))
    )
    middle = scene.shape[0] / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), rng.normal(0, 2), zoom)
    room = (zoom * scene.shape[0] - SIZE_PX) / 2
    matrix[:, 2] += SIZE_PX / 2 - middle + rng.uniform(-room, room, 2)
    return cv2.warpAffine(scene, matrix, (SIZE_PX, SIZE_PX), borderMode=cv2.BORDER_REFLECT_101)


def weather(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kind = rng.choice(["clear", "fog", "rain", "snow"], p=(0.91, 0.04, 0.025, 0.025))
    if kind == "clear":
        return image
    air = image.mean(axis=(0, 1)) * 0.3 + 0.5
    height = np.linspace(rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.5), SIZE_PX)[:, None, None]
    image = image + (air - image) * height * (0.9 if kind == "fog" else 0.5)
    return image if kind == "fog" else image + (0.95 - image) * falling(kind, rng)[..., None]


def falling(kind: str, rng: np.random.Generator) -> np.ndarray:
    """How much of each pixel is covered by raindrops or snowflakes, 0 to 0.9."""
    drops = (rng.random((SIZE_PX, SIZE_PX)) < 0.008).astype(np.float32)
    if kind == "snow":
        return np.clip(4 * cv2.GaussianBlur(drops, (0, 0), rng.uniform(0.7, 1.2)), 0, 0.9)
    return np.clip(cv2.filter2D(drops, -1, np.eye(9, dtype=np.float32) * 0.35), 0, 0.9)


def blurred(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kind = rng.choice(["sharp", "soft", "shaken"], p=(0.84, 0.12, 0.04))
    if kind == "sharp":
        return image
    if kind == "soft":
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.6))
    length = int(rng.integers(4, 9))
    shake = np.zeros((length, length), np.float32)
    cv2.line(shake, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
    return cv2.filter2D(image, -1, shake / shake.sum())
