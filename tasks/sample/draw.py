"""Draws the built-in sample: six classes of painted landscapes, and a few broken or odd files."""

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
AWKWARD_LIST = "awkward.json"  # names the files that are broken or odd on purpose
DUPLICATE = ("seg_train/seg_train/sea/sea_0000.jpg", "seg_test/seg_test/sea/sea_copy.jpg")


@dataclass(frozen=True)
class Sample:
    """The folder of a sample, and how many files each split holds, awkward ones included."""

    folder: str
    train: int
    test: int
    unlabelled: int


def draw_sample(folder: str, images_per_class: int = 120, seed: int = 0) -> Sample:
    """Draw the sample into a local folder; an earlier sample there is replaced.

    A fifth of the pictures of each class are test pictures. The files that `awkward.json` names come on top
    of `images_per_class`. Raises InputError when the folder holds anything but an earlier sample.
    """
    if images_per_class < 5:
        raise InputError(f"`images_per_class` must be 5 or more. Received: {images_per_class}.")
    root = Path(folder)
    clear(root)
    awkward = awkward_files(seed)
    descriptions = dict.fromkeys(DUPLICATE, "exact duplicate across train and test")
    descriptions |= {path: what for path, (what, _) in awkward.items()}
    rows = [{"path": path, "what": what} for path, what in descriptions.items()]
    write(root / AWKWARD_LIST, json.dumps(rows, indent=2).encode())
    for path, (_, data) in awkward.items():
        write(root / path, data)
    draw_labelled(root, images_per_class, seed)
    draw_unlabelled(root, images_per_class * len(CLASSES) // 10, seed)
    original, copy = DUPLICATE
    write(root / copy, (root / original).read_bytes())
    counts = [sum(1 for _ in (root / split).rglob("*.jpg")) for split in SPLITS[:3]]
    return Sample(folder, *counts)


def draw_picture(seed: int, split: str, name: str, index: int) -> bytes:
    """One JPEG, the same for the same four arguments."""
    rng = np.random.default_rng((seed, SPLITS.index(split), CLASSES.index(name), index))
    image = take_photograph(draw_scene(name, rng), rng)
    return encode(image, ".jpg", int(rng.integers(35, 96)))


def clear(folder: Path) -> None:
    """Remove an earlier sample; InputError when the folder holds anything else."""
    if folder.is_dir() and (folder / AWKWARD_LIST).is_file():
        for split in SPLITS[:3]:
            if (folder / split).exists():
                shutil.rmtree(folder / split)
    elif folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(
            f"`folder` must be a new or empty folder, or an earlier sample (it holds {AWKWARD_LIST}). "
            f"Received: '{folder}'. Name another folder, or empty this one first."
        )


def draw_labelled(folder: Path, images_per_class: int, seed: int) -> None:
    test_count = images_per_class // 5
    for split, count in (("seg_train", images_per_class - test_count), ("seg_test", test_count)):
        for name in CLASSES:
            for index in range(count):
                path = folder / split / split / name / f"{name}_{index:04d}.jpg"
                write(path, draw_picture(seed, split, name, index))


def draw_unlabelled(folder: Path, count: int, seed: int) -> None:
    for index in range(count):
        data = draw_picture(seed, "seg_pred", CLASSES[index % len(CLASSES)], index)
        write(folder / "seg_pred" / "seg_pred" / f"image_{index:04d}.jpg", data)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def awkward_files(seed: int) -> dict[str, tuple[str, bytes]]:
    """What is awkward about each file, and its bytes, by its path in the sample."""
    makers: tuple[tuple[str, str, str, Callable[[bytes], bytes]], ...] = (
        ("seg_train/seg_train/glacier/glacier_truncated.jpg", "glacier", "truncated JPEG", truncate),
        ("seg_train/seg_train/street/street_alpha.jpg", "street", "PNG with alpha, named .jpg", add_alpha),
        ("seg_train/seg_train/mountain/mountain_rotated.jpg", "mountain", "JPEG rotated by EXIF", rotate),
        ("seg_train/seg_train/forest/forest_grey.jpg", "forest", "grey JPEG", make_grey),
        ("seg_train/seg_train/buildings/buildings_narrow.jpg", "buildings", "40x300 JPEG", squeeze),
        ("seg_pred/seg_pred/image_truncated.jpg", "sea", "truncated JPEG", truncate),
    )
    return {path: (what, make(draw_picture(seed, "awkward", name, 0))) for path, name, what, make in makers}


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def add_alpha(data: bytes) -> bytes:
    fade = np.repeat(np.linspace(255, 40, SIZE_PX).astype(np.uint8)[:, None], SIZE_PX, axis=1)
    return encode(np.dstack([decode(data), fade]), ".png")


def rotate(data: bytes) -> bytes:
    """Store the picture on its left side, 110x150, with the EXIF orientation (6) that turns it upright."""
    on_its_side = cv2.rotate(decode(data)[20:130], cv2.ROTATE_90_COUNTERCLOCKWISE)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(on_its_side).save(file, "JPEG", quality=90, exif=exif)
    return file.getvalue()


def make_grey(data: bytes) -> bytes:
    return encode(cv2.cvtColor(decode(data), cv2.COLOR_RGB2GRAY), ".jpg", 90)


def squeeze(data: bytes) -> bytes:
    middle = decode(data)[:, 65:85]
    return encode(cv2.resize(middle, (40, 300), interpolation=cv2.INTER_CUBIC), ".jpg", 90)


def decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def encode(image: np.ndarray, extension: str, quality: int = 90) -> bytes:
    if image.ndim == 3:
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if extension == ".jpg" else []
    return cv2.imencode(extension, image, options)[1].tobytes()


def take_photograph(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Photograph a scene, float32 RGB 0 to 1: frame, weather, exposure, lens, grain. Returns uint8 RGB."""
    image = add_weather(frame(scene, rng), rng)
    colour_balance = rng.uniform(0.96, 1.03, 3) * rng.uniform(0.88, 1.12)
    image = np.clip(image * colour_balance, 0, 1).astype(np.float32) ** np.float32(rng.uniform(0.88, 1.15))
    if rng.random() < 0.015:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    grain = rng.choice([0.005, 0.012, 0.03], p=(0.6, 0.32, 0.08))
    image = blur(image, rng) + grain * rng.standard_normal((SIZE_PX, SIZE_PX, 1), dtype=np.float32)
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)


def frame(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Zoom in, tilt the horizon and shift the view, within the scene."""
    zoom = (
        SIZE_PX
        / scene.shape[0]
        * rng.choice([rng.uniform(1.02, 1.12), rng.uniform(1.12, 1.5)], p=(0.92, 0.08))
    )
    middle = scene.shape[0] / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), rng.normal(0, 2), zoom)
    margin = (zoom * scene.shape[0] - SIZE_PX) / 2
    matrix[:, 2] += SIZE_PX / 2 - middle + rng.uniform(-margin, margin, 2)
    return cv2.warpAffine(scene, matrix, (SIZE_PX, SIZE_PX), borderMode=cv2.BORDER_REFLECT_101)


def add_weather(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kind = rng.choice(["clear", "fog", "rain", "snow"], p=(0.91, 0.04, 0.025, 0.025))
    if kind == "clear":
        return image
    air = image.mean(axis=(0, 1)) * 0.3 + 0.5
    height = np.linspace(rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.5), SIZE_PX)[:, None, None]
    image = image + (air - image) * height * (0.9 if kind == "fog" else 0.5)
    return image if kind == "fog" else image + (0.95 - image) * precipitation(kind, rng)[..., None]


def precipitation(kind: str, rng: np.random.Generator) -> np.ndarray:
    """The share of each pixel that raindrops or snowflakes cover, 0 to 0.9."""
    drops = (rng.random((SIZE_PX, SIZE_PX)) < 0.008).astype(np.float32)
    if kind == "snow":
        return np.clip(4 * cv2.GaussianBlur(drops, (0, 0), rng.uniform(0.7, 1.2)), 0, 0.9)
    return np.clip(cv2.filter2D(drops, -1, np.eye(9, dtype=np.float32) * 0.35), 0, 0.9)


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kind = rng.choice(["sharp", "soft", "shaken"], p=(0.84, 0.12, 0.04))
    if kind == "sharp":
        return image
    if kind == "soft":
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.6))
    length = int(rng.integers(4, 9))
    shake = np.zeros((length, length), np.float32)
    cv2.line(shake, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
    return cv2.filter2D(image, -1, shake / shake.sum())
