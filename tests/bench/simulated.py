"""A store as retrainings leave it, without them: a simple model, real questions, a reviewer who is right."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.pipeline import Pipeline

from tasks import storage
from tasks.audit import audit_dataset, embed_part, fetch_base, plan_features
from tasks.audit.features import Features
from tasks.audit.out_of_fold import believe, fit
from tasks.audit.wrong_labels import as_csv, suspects_among
from tasks.classification.rows import SCHEMA, to_table
from tasks.corrections import corrections_in_force
from tasks.dataset import Dataset, commit_dataset, decode_part, list_images, plan_parts
from tasks.dataset.corrections import correct
from tasks.errors import JobError
from tasks.evaluation.calibration import fit_temperature
from tasks.evaluation.records import write_arrays
from tasks.parameters import Data, Training
from tasks.review import Decision, Desk
from tasks.storage import Run

KIND = "mobilenet_v2"
TOP = 3
MOST_ASKED = 100  # between two retrainings

Labels = np.ndarray  # str [images]


@dataclass(frozen=True)
class World:
    """Images with their true labels, decoded and embedded once.

    index: the rows of those that can be used. features: float32 [images, features], by MobileNetV2 with the
    weights that it starts from, as the audit computes them.
    """

    dataset: Dataset
    index: pa.Table
    features: np.ndarray

    def column(self, name: str) -> np.ndarray:
        return np.array(self.index[name].to_pylist())

    def split(self, name: str) -> np.ndarray:
        """Which images are in a split, bool [images]."""
        return self.column("split") == name


def embed(images: Path, folder: Path, weights: str, data: Data = Data()) -> World:
    """The images of a labelled folder as a world; what was computed before in the folder is kept.

    Raises JobError where the weights cannot be had.
    """
    defaults = Training()
    store, size_px = str(folder / "store"), defaults.image_size
    manifest = list_images.fn(str(images), store, size_px, defaults.val_share, data=data)
    dataset = commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 1.0)
    base = fetch_base.fn(dataset.url, size_px, weights, needed=False)
    if base.missing:
        raise JobError(base.missing)
    for part in plan_features(dataset, base):
        embed_part.fn(part)
    index = storage.read_table(storage.index_url(dataset.url))
    index = index.filter(pa.compute.equal(index["status"], "ok"))
    places = (np.array(index[name].to_pylist(), np.int64) for name in ("part", "row"))
    return World(dataset, index, Features(dataset, base, *places).take(np.arange(len(index))))


@dataclass
class Taught:
    """The features of some images of a world."""

    features: np.ndarray

    def take(self, images: np.ndarray) -> np.ndarray:
        return self.features[images]


def train(world: World, labels: Labels, images: np.ndarray) -> Pipeline:
    """A frozen MobileNetV2 with a linear head. images: those that may be learned from, bool [images]."""
    learned = np.flatnonzero(images & world.split("train"))
    return fit(world.features[learned], labels[learned])


def accuracy(world: World, model: Pipeline) -> float:
    """The share of the test images that a model gets right."""
    test = world.split("test")
    return float((model.predict(world.features[test]) == world.column("label")[test]).mean())


def log_loss(world: World, model: Pipeline) -> float:
    """The mean of -log of the probability that a model gives the right class of a test image."""
    test = world.split("test")
    probabilities = model.predict_proba(world.features[test])
    right = np.searchsorted(model.classes_, world.column("label")[test])
    return float(-np.log(probabilities[np.arange(len(right)), right]).mean())


class Review:
    """Questions about a world's images as the product asks them, and a reviewer who knows the truth.

    folder: of the store, which each review needs for itself. given: the labels of the folders. labelled: the
    images that lie in them, bool [images]; the others are the inbox.
    """

    def __init__(self, world: World, folder: Path, given: Labels, labelled: np.ndarray):
        self._world, self._given, self._labelled = world, given, labelled
        self._store, self._output = str(folder / "store"), str(folder / "predictions")
        self._has_inbox = not labelled.all()
        self._desk = Desk(self._store, self._output if self._has_inbox else None, MOST_ASKED)
        self._truth = dict(zip(world.column("sha256"), world.column("label"), strict=True))
        self._rounds = 0
        self.kinds: list[str] = []

    @property
    def answered(self) -> dict[str, str]:
        """The label that was answered for each content."""
        return {sha256: answer.label or "" for sha256, answer in corrections_in_force(self._store).items()}

    def labels(self) -> tuple[Labels, np.ndarray]:
        """The labels now, and which images have one."""
        answers, contents = self.answered, self._world.column("sha256")
        labels = [answers.get(sha256, label) for sha256, label in zip(contents, self._given, strict=True)]
        return np.array(labels), self._labelled | np.isin(contents, list(answers))

    def retrain(self) -> Pipeline:
        """Train on the labels as they are now, and leave what the next questions are found in."""
        labels, labelled = self.labels()
        model = train(self._world, labels, labelled)
        self._rounds += 1
        run = Run(f"2026-01-01T00-00-{self._rounds:02d}-aaaa", self._store)
        dataset = self._write_dataset(run.name, labelled)
        self._write_run(run, dataset, model)
        if self._has_inbox:
            self._classify(model, ~labelled)
        return model

    def answer(self, count: int) -> None:
        """Answer the next questions, truthfully."""
        questions = self._desk.ask()[:count]
        self.kinds += [question.kind for question in questions]
        decisions = [Decision(question.id, "label", self._truth[question.id]) for question in questions]
        refused = self._desk.record(decisions, "bench")
        assert not refused, refused

    def _write_dataset(self, name: str, labelled: np.ndarray) -> Dataset:
        world = self._world
        table = world.index.drop_columns(["given", "answer"])
        table = table.set_column(table.column_names.index("label"), "label", pa.array(self._given))
        table = correct(table.filter(labelled), corrections_in_force(self._store), world.dataset.classes)
        dataset = replace(world.dataset, url=storage.dataset_url(self._store, name), fingerprint=name)
        storage.write_table(storage.index_url(dataset.url), table)
        audit_dataset.fn(dataset)
        return dataset

    def _write_run(self, run: Run, dataset: Dataset, model: Pipeline) -> None:
        index = storage.read_table(storage.index_url(dataset.url))
        is_in = np.isin(self._world.column("path"), index["path"].to_pylist())
        rows = index.to_pylist()
        _, suspects, doubtful = suspects_among(rows, believe(rows, Taught(self._world.features[is_in])))
        storage.write_bytes(run.wrong_labels_url, as_csv([*suspects, *doubtful]))
        folder_url = run.kind_url(KIND)
        probabilities, labels = self._judged(model, index, is_in, "test")
        write_arrays(storage.predictions_url(folder_url), labels=labels, probabilities=probabilities)
        temperature = fit_temperature(*self._judged(model, index, is_in, "val"))
        storage.write_json(storage.metrics_url(folder_url), {"temperature": temperature})
        of_data = {"root": dataset.images_url, "fingerprint": run.name, "classes": list(dataset.classes)}
        storage.write_record(storage.summary_url(run.folder_url), {"dataset": of_data, "models": {KIND: {}}})

    def _judged(
        self, model: Pipeline, index: pa.Table, is_in: np.ndarray, split: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and the numbers of the labels as they are now of the images of a split."""
        chosen = np.array(index["split"].to_pylist()) == split
        labels = np.searchsorted(model.classes_, np.array(index["label"].to_pylist())[chosen])
        features = self._world.features[is_in][chosen]
        return model.predict_proba(features).astype(np.float32), labels

    def _classify(self, model: Pipeline, inbox: np.ndarray) -> None:
        """Rows of a classification of the images that nobody has labelled."""
        paths, probabilities = (
            self._world.column("path")[inbox],
            model.predict_proba(self._world.features[inbox]),
        )
        rows = list(rows_of(paths, probabilities, model.classes_.tolist()))
        storage.write_table(storage.part_url(self._output, 0, "parquet"), to_table(rows, "parquet"))
        labels = dict.fromkeys(model.classes_.tolist(), 1)
        record = {
            "root": self._world.dataset.images_url,
            "model": "v1",
            "labels": labels,
            "output": self._output,
        }
        storage.write_record(storage.summary_url(self._output), record)
        marker = storage.success_url(self._output)
        storage.write_json(marker, {})
        os.utime(marker, (self._rounds, self._rounds))  # by it the random sample is drawn


def rows_of(
    paths: Sequence[str], probabilities: np.ndarray, classes: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    for path, row in zip(paths, probabilities, strict=True):
        top = np.argsort(-row)[:TOP]
        yield (
            dict.fromkeys(SCHEMA.names)
            | {"path": path, "status": "ok", "label": classes[top[0]], "confidence": float(row[top[0]])}
            | {"top_labels": [classes[place] for place in top], "top_confidences": row[top].tolist()}
            | {"model": "v1", "engine": "bench"}
        )
