"""The champion is judged as it is used: at its own size and fit, from the files; or we are told why not."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from tasks import storage
from tasks.dataset.index import commit_dataset
from tasks.dataset.manifest import list_images
from tasks.dataset.parts import decode_part, plan_parts
from tasks.dataset.records import Dataset
from tasks.evaluation.records import Evaluation, write_arrays
from tasks.networks import architectures
from tasks.pages import retraining_verdict
from tasks.parameters import Gate
from tasks.pictures import decode_image
from tasks.publishing.overview import champion_line
from tasks.registry.gate import Verdict, decide
from tasks.storage import Run
from tests.tasks.registry.test_promotions import add_version

OWN_PX, DATASET_PX, TEST_IMAGES = 64, 32, 60
PROMOTED = {"action": "promote", "version": "v1", "reason": "first champion"}
GATE = Gate(min_accuracy=0, min_class_recall=0)


@pytest.fixture(scope="module")
def champion_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("champion") / "model.keras"
    architectures.build_cnn(2, OWN_PX).save(path)
    return path


@pytest.fixture(scope="module")
def images(champion_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide noise whose class is what the champion takes its middle for at its own size."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    pictures = rng.integers(0, 256, (TEST_IMAGES + 8, OWN_PX, 2 * OWN_PX, 3), np.uint8)
    encoded = [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures]
    seen = np.stack([decode_image(data, OWN_PX, fit="crop").pixels for data in encoded])
    probabilities = keras.models.load_model(champion_file).predict(seen, verbose=0)
    for number, data in enumerate(encoded):
        of_test, name = number < TEST_IMAGES, "ab"[probabilities[number].argmax()]
        path = folder / ("test" if of_test else "train") / (name if of_test else "ab"[number % 2])
        path /= f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture
def dataset(images: Path, store: str, tmp_path: Path) -> Dataset:
    """The images as a challenger sees them: half as high, and squeezed."""
    folder = shutil.copytree(images, tmp_path / "images")
    manifest = list_images.fn(str(folder), store, DATASET_PX, 0.2)
    return commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 0)


@pytest.fixture
def champion_url(champion_file: Path, store: str) -> str:
    """The champion's file in the store; it has no other."""
    url, data = storage.model_url(storage.version_url(store, "v1")), champion_file.read_bytes()
    storage.write_bytes(url, data)
    add_version(store, "v1", size_px=OWN_PX, fit="crop", sha256=storage.sha256(data))
    return url


def verdict_on(dataset: Dataset, store: str, wrong: int, gate: Gate = GATE) -> Verdict:
    """What becomes of a challenger that takes so many of the test images for the wrong class."""
    run, labels = Run("r", store), dataset.split("test").labels
    predicted = np.where(np.arange(len(labels)) < wrong, 1 - labels, labels)
    per_class = [{"class": name, "recall": 1.0, "support": 1} for name in "ab"]
    storage.write_json(storage.metrics_url(run.kind_url("cnn")), {"per_class": per_class})
    write_arrays(
        storage.predictions_url(run.kind_url("cnn")), labels=labels, probabilities=np.eye(2)[predicted]
    )
    challenger = Evaluation("cnn", "new", 0.9, 1 - wrong / len(labels), 0.0, 1.0, 0.05, 1.0, 0.3, 1_000)
    return decide(challenger, [PROMOTED], dataset, run, gate, leaking=0)


def test_a_champion_of_another_size_is_judged_at_its_own_and_every_count_told_is_true(
    dataset: Dataset, champion_url: str, store: str
):
    verdict = verdict_on(dataset, store, wrong=5)
    assert not verdict.promoted
    assert f"55 right, the champion {TEST_IMAGES} (0 gained, 5 lost" in verdict.reason
    assert (verdict.comparison["both_right"], verdict.comparison["only_first"]) == (55, 5)
    assert [row["champion_recall"] for row in verdict.comparison["per_class"]] == [1.0, 1.0]
    [point] = champion_line([{"run": "r", "champion": asdict(verdict), "models": {}}])
    assert (point["version"], point["accuracy"]) == ("v1", 1.0)


def test_a_gate_may_compare_by_macro_recall_and_the_verdict_tells_both_by_it(
    dataset: Dataset, champion_url: str, store: str
):
    labels = dataset.split("test").labels
    recall = np.mean([np.mean(np.flatnonzero(labels == label) >= 5) for label in (0, 1)])
    verdict = verdict_on(dataset, store, wrong=5, gate=GATE.model_copy(update={"compare_by": "macro_recall"}))
    assert [rule.name for rule in verdict.rules if not rule.passed] == [
        "macro recall on the same test images"
    ]
    lost = f"worse than the champion by {100 * (1 - recall):.1f} points of macro recall"
    assert verdict.reason.startswith(f"{lost}: of the same {TEST_IMAGES} test images")
    assert "paired permutation p =" in verdict.reason
    summary = {"champion": asdict(verdict), "models": {"cnn": {"test": {"accuracy": 0.9}}}}
    line = f"cnn refused, macro recall {100 * recall:.1f} %, the champion 100.0 %"
    assert retraining_verdict(summary) == line


def lose_a_file(dataset: Dataset) -> None:
    Path(dataset.images_url, dataset.split("test").paths[3]).unlink()


def change_a_file(dataset: Dataset) -> None:
    path = Path(dataset.images_url, dataset.split("test").paths[3])
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize(("spoil", "words"), [(lose_a_file, "No such file"), (change_a_file, "other bytes")])
def test_a_champion_whose_test_images_are_gone_is_not_beaten_by_a_false_comparison(
    spoil: Callable[[Dataset], None], words: str, dataset: Dataset, champion_url: str, store: str
):
    spoil(dataset)
    verdict = verdict_on(dataset, store, wrong=0)
    assert (verdict.promoted, verdict.is_final, verdict.comparison) == (False, False, None)
    assert "the champion v1 could not be judged" in verdict.reason
    assert words in verdict.reason and dataset.split("test").paths[3] in verdict.reason


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (storage.remove, "models/v1/model.keras"),
        (lambda url: storage.write_bytes(url, b"half"), "must have the sha256"),
        (lambda url: storage.write_bytes(storage.beside(url, "model.json"), b"{"), "a damaged one"),
        (lambda url: storage.write_json(storage.beside(url, "model.json"), {}), "tells of version None"),
        (lambda url: storage.remove(url.rsplit("/", 1)[0]), "must be a version of the store"),
    ],
    ids=["model lost", "model damaged", "record damaged", "record empty", "version lost"],
)
def test_nothing_is_promoted_over_a_champion_that_cannot_be_judged_and_the_verdict_says_why(
    spoil: Callable[[str], None], words: str, dataset: Dataset, champion_url: str, store: str
):
    spoil(champion_url)
    verdict = verdict_on(dataset, store, wrong=0)
    assert (verdict.promoted, verdict.is_final) == (False, False)
    assert words in verdict.reason
    assert "restore what is missing and `--resume r`, or promote by hand" in verdict.reason
    assert store not in verdict.reason
    assert [rule.passed for rule in verdict.rules][:3] == [True] * 3
