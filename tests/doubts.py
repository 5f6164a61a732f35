"""A store whose last run has doubts about its images, and the output of a classification, without training.

Dataset, index and audit are real; what a model would have said is made up.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tasks import storage
from tasks.audit import audit_dataset
from tasks.audit.wrong_labels import Suspect, as_csv
from tasks.classification.rows import SCHEMA, to_table
from tasks.dataset import Dataset, commit_dataset, decode_part, list_images, plan_parts
from tasks.evaluation.records import write_arrays
from tasks.sample.draw import draw_sample, draw_unlabelled
from tasks.storage import Run

SIZE_PX = 48
RUN = "2026-01-01T00-00-00-aaaa"
TWIN = "twin.jpg"  # the same picture as one of another class
INBOX = 40  # pictures
BURST = 4  # of the least sure pictures of the inbox are near copies of the first


@dataclass(frozen=True)
class Doubts:
    """A store, an output, and what is doubtful in them.

    moved: paths of training images that lie under a wrong class, and the right one. mistakes: test images
    that the model gets wrong. inbox: its files, least sure first.
    """

    store: str
    output: str
    images: Path
    classes: tuple[str, ...]
    moved: dict[str, str]
    mistakes: list[str]
    inbox: list[str]


def doubtful_store(
    folder: Path, images_per_class: int = 10, moved_each: int = 2, names: Mapping[str, str] | None = None
) -> Doubts:
    """Make a store in a folder.

    moved_each: training images of each class that are moved into the next one's folder. names: other names
    for some classes of the sample, and for a file of each.
    """
    images, store = folder / "images", str(folder / "store")
    draw_sample(str(images), images_per_class=images_per_class, seed=0)
    draw_unlabelled(images, INBOX, seed=0)
    train = images / "seg_train" / "seg_train"
    for old, new in (names or {}).items():
        for split in ("seg_train", "seg_test"):
            (images / split / split / old).rename(images / split / split / new)
        file = sorted((train / new).glob("*.jpg"))[3]
        file.rename(file.with_name(f"{new}.jpg"))
    classes = tuple(sorted(path.name for path in train.iterdir() if path.is_dir()))
    moved = move_some(train, classes, moved_each)
    add_twin(train, classes)
    manifest = list_images.fn(str(images), store, SIZE_PX, 0.2)
    dataset = commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 1.0)
    audit_dataset.fn(dataset)
    run = Run(RUN, storage.absolute(store))
    suspects = [
        Suspect(str(path.relative_to(images)), "train", path.parent.name, right, 0.02, 0.9 - 0.003 * number)
        for number, (path, right) in enumerate(moved.items())
    ]
    storage.write_bytes(run.wrong_labels_url, as_csv(suspects))
    mistakes = predict(run, dataset, wrong=5)
    storage.write_record(storage.summary_url(run.folder_url), summary_of(dataset))
    output = str(folder / "predictions")
    inbox = classify(images, folder / "inbox", output, classes)
    paths = {str(path.relative_to(images)): right for path, right in moved.items()}
    return Doubts(store, output, images, classes, paths, mistakes, inbox)


def move_some(train: Path, classes: tuple[str, ...], count: int) -> dict[Path, str]:
    chosen = [(sorted((train / name).glob("*.jpg"))[3 : 3 + count], name) for name in classes]
    moved = {}
    for files, name in chosen:
        other = classes[(classes.index(name) + 1) % len(classes)]
        for file in files:
            target = train / other / f"moved-{file.name}"
            shutil.move(file, target)
            moved[target] = name
    return moved


def add_twin(train: Path, classes: tuple[str, ...]) -> None:
    picture = sorted((train / classes[0]).glob("*.jpg"))[0]
    (train / classes[1] / TWIN).write_bytes(picture.read_bytes())


def predict(run: Run, dataset: Dataset, wrong: int) -> list[str]:
    """Write what a model said of the test images: right, but for the first `wrong` ones, surest first."""
    test = dataset.split("test")
    probabilities = np.full((len(test), len(dataset.classes)), 0.01, np.float32)
    said = test.labels.copy()
    said[:wrong] = (said[:wrong] + 1) % len(dataset.classes)
    probabilities[np.arange(len(test)), said] = np.linspace(0.94, 0.6, len(test))
    probabilities /= probabilities.sum(1, keepdims=True)
    folder_url = run.kind_url("cnn")
    write_arrays(storage.predictions_url(folder_url), labels=test.labels, probabilities=probabilities)
    storage.write_json(storage.metrics_url(folder_url), {"temperature": 1.0})
    return test.paths[:wrong]


def summary_of(dataset: Dataset) -> dict[str, Any]:
    told = {"root": dataset.images_url, "fingerprint": dataset.fingerprint, "classes": list(dataset.classes)}
    return {"dataset": told, "models": {"cnn": {}}}


def classify(images: Path, inbox: Path, output: str, classes: tuple[str, ...]) -> list[str]:
    """An inbox of unlabelled pictures, and the rows of a classification of it."""
    shutil.copytree(images / "seg_pred", inbox)
    names = {f"image_{number:04d}.jpg" for number in range(INBOX)}
    files = sorted(path for path in inbox.rglob("*.jpg") if path.name in names)
    pixels = cv2.imread(str(files[0]))
    for number in range(1, BURST):
        path = inbox / f"burst-{number}.jpg"
        cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90 - 10 * number])
        files.insert(number, path)
    rows = []
    for number, path in enumerate(files):
        confidence = min(0.3 + 0.02 * number, 0.97)
        others = [classes[number % len(classes)], classes[(number + 1) % len(classes)]]
        rows.append(
            dict.fromkeys(SCHEMA.names)
            | {"path": str(path.relative_to(inbox)), "status": "unsure" if confidence < 0.5 else "ok"}
            | {"label": others[0], "confidence": confidence, "model": "v1", "engine": "test"}
            | {"top_labels": others, "top_confidences": [confidence, 0.9 * min(confidence, 1 - confidence)]}
        )
    rows[-1] |= {"status": "unlike", "label": None, "confidence": None, "likeness": -4.0}
    storage.write_table(storage.part_url(output, 0, "parquet"), to_table(rows, "parquet"))
    labels = dict.fromkeys(classes, 1)
    storage.write_record(
        storage.summary_url(output), {"root": str(inbox), "model": "v1", "labels": labels, "output": output}
    )
    storage.write_json(storage.success_url(output), {})
    return [row["path"] for row in rows]
