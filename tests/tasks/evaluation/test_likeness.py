"""Images unlike all that a model was trained on are told from those of its classes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tasks import storage
from tasks.dataset.records import Dataset
from tasks.errors import JobError
from tasks.evaluation.likeness import (
    FEWEST,
    SHARE,
    Likeness,
    learn_likeness,
    likeness_of,
    load_likeness,
    measure_likeness,
    rows_to_learn,
)
from tasks.networks import Head, ModelVersion, architectures, look_at_splits
from tasks.networks.keras_engine import TensorflowClassifier
from tests.tasks.dataset.test_parts import SIZE, decode_all

FEATURES, CLASSES = 32, 4


@pytest.fixture
def learned() -> tuple[Likeness, np.random.Generator]:
    """Likeness learned of classes around means of their own, by a head that tells them apart."""
    random = np.random.default_rng(0)
    weights = np.eye(FEATURES, CLASSES, dtype=np.float32) * 3
    features, labels = draw(random, 800)
    val_features, _ = draw(random, 2000)
    return learn_likeness(features, labels, val_features, weights, np.zeros(CLASSES, np.float32)), random


def draw(random: np.random.Generator, images: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(images) % CLASSES
    return np.float32(random.normal(size=(images, FEATURES)) + 5 * np.eye(CLASSES, FEATURES)[labels]), labels


def noise_of_two_classes(folder: Path, store: str) -> Dataset:
    """40 training, 120 validation and 40 test images of no meaning."""
    random = np.random.default_rng(0)
    for split, images in {"train": 20, "val": 60, "test": 20}.items():
        for name in "ab":
            (folder / split / name).mkdir(parents=True)
            for number in range(images):
                pixels = random.integers(0, 255, (40, 40, 3), np.uint8)
                cv2.imwrite(str(folder / split / name / f"{number}.bmp"), pixels)
    return decode_all(folder, store)


def test_what_fits_no_class_or_lies_far_from_all_is_less_alike_than_99_of_100_images_of_the_classes(learned):
    likeness, random = learned
    known, _ = draw(random, 2000)
    limit = np.quantile(likeness.of(known), SHARE)
    of_no_class = np.float32(random.normal(size=(500, FEATURES)))
    far_away = draw(random, 500)[0] + 8 * np.eye(FEATURES, dtype=np.float32)[FEATURES - 1]
    assert abs(likeness.of(known).mean()) < 0.2
    assert np.mean(likeness.of(of_no_class) < limit) > 0.7
    assert np.mean(likeness.of(far_away) < limit) > 0.9


def test_a_version_tells_what_is_unlike_by_99_of_100_of_its_validation_images(store: str, tmp_path: Path):
    noise = noise_of_two_classes(tmp_path / "images", store)
    (tmp_path / "v").mkdir()
    architectures.build_cnn(2, SIZE).save(tmp_path / "v/model.keras")
    val, test, train = (noise.split(name) for name in ("val", "test", "train"))
    rows = rows_to_learn(train)
    looks, head = look_at_splits(
        str(tmp_path / "v"), [(val, np.arange(120)), (test, np.arange(40)), (train, rows)]
    )
    (_, val_features), (_, test_features), (_, features) = looks
    told = measure_likeness(
        features, train.labels[rows], val_features, test_features, head, str(tmp_path / "v")
    )
    assert told["images"] == 120
    sha256 = storage.sha256((tmp_path / "v/likeness.npz").read_bytes())
    version = ModelVersion(
        "v", "cnn", str(tmp_path / "v"), "", ("a", "b"), SIZE, 1.0, None, told["unlike_below"], sha256
    )
    classifier = TensorflowClassifier(str(tmp_path / "v/model.keras"))
    features = classifier.look(noise.split("val").take(np.arange(120)))[1]
    assert sum(map(version.is_unlike, likeness_of(version, features, 120))) == 2
    (tmp_path / "v/likeness.npz").write_bytes(b"another")
    load_likeness.cache_clear()
    with pytest.raises(JobError, match="sha256"):
        likeness_of(version, features, 120)


def test_with_too_few_validation_images_nothing_is_called_unlike():
    few = np.zeros((FEWEST - 1, FEATURES), np.float32)
    assert measure_likeness(few, np.zeros(99), few, few, Head(few, few), "") == {
        "unlike_below": None,
        "images": 99,
        "test_share": None,
    }
