"""The layout of a store and of an output: where each file lies. Nobody else joins these names by hand.

<store>/index.html
<store>/datasets/<fingerprint>/   manifest.parquet  index.parquet  shards/  features/  audit.json  _SUCCESS
<store>/runs/<run>/               run.json  summary.json  report.html  labels.json  wrong_labels.csv  *.png
<store>/runs/<run>/<kind>/        history.csv  training.json  metrics.json  predictions.npz  ...
<store>/models/<version>/         model.keras  model.onnx  model.json  card.md
<store>/models/                   champion.json  promotions/
<output>/                         part-*  summary.json  report.html  _manifest.parquet  _done/  _SUCCESS
"""

import re
from dataclasses import dataclass

from tasks.storage.objects import exists
from tasks.storage.urls import absolute, join

ONNX = "model.onnx"
VERSION_FILES = ("model.keras", ONNX, "card.md", "model.json")
PART_NAME = re.compile(r"part-(\d{5,})\.(parquet|csv|json)")  # of an output's parts and of their markers


@dataclass(frozen=True)
class Run:
    """One retraining or exploration: its name and the store it writes to."""

    name: str
    store: str

    @property
    def folder_url(self) -> str:
        return join(runs_url(self.store), self.name)

    @property
    def record_url(self) -> str:
        """What the run trains on and how; written before training begins."""
        return join(self.folder_url, "run.json")

    @property
    def labels_url(self) -> str:
        return join(self.folder_url, "labels.json")

    @property
    def wrong_labels_url(self) -> str:
        return join(self.folder_url, "wrong_labels.csv")

    @property
    def checkpoints_url(self) -> str:
        """Where Ray Train keeps a folder of checkpoints a kind."""
        return join(self.folder_url, "checkpoints")

    def picture_url(self, name: str) -> str:
        return join(self.folder_url, name)

    def kind_url(self, kind: str) -> str:
        """The folder of all that is known of the run's model of a kind."""
        return join(self.folder_url, kind)

    def begun(self) -> bool:
        """Whether there is training to resume."""
        return exists(self.record_url)

    def version(self, kind: str) -> str:
        """The name of the version that the run makes of a kind."""
        return f"{self.name}-{kind}"

    def version_url(self, kind: str) -> str:
        return version_url(self.store, self.version(kind))


def runs_url(store: str) -> str:
    return join(store, "runs")


def overview_url(store: str) -> str:
    return join(absolute(store), "index.html")


# Of a run or of an output.


def summary_url(folder: str) -> str:
    return join(folder, "summary.json")


def report_url(folder: str) -> str:
    return join(folder, "report.html")


# Of a run's model of one kind: `folder` is `Run.kind_url`.


def history_url(folder: str) -> str:
    return join(folder, "history.csv")


def training_url(folder: str) -> str:
    """The record of a training; where it stands, the training is done."""
    return join(folder, "training.json")


def diverged_url(folder: str) -> str:
    return join(folder, "diverged.json")


def cache_url(folder: str, split: str = "") -> str:
    """Where a training keeps what its frozen base computed, until it is done."""
    return join(folder, "cache", *([split] if split else []))


def metrics_url(folder: str) -> str:
    return join(folder, "metrics.json")


def predictions_url(folder: str) -> str:
    """Labels and probabilities of the test images."""
    return join(folder, "predictions.npz")


def reference_url(folder: str) -> str:
    """What the test images looked like to the model: drift is measured against it."""
    return join(folder, "reference.json")


def evidence_url(folder: str) -> str:
    """Grad-CAM of the most confident mistakes."""
    return join(folder, "evidence.npz")


# Of a dataset.


def datasets_url(store: str) -> str:
    return join(store, "datasets")


def dataset_url(store: str, fingerprint: str) -> str:
    return join(datasets_url(store), fingerprint)


def store_of(dataset: str) -> str:
    """The store that the dataset at a URL belongs to."""
    return dataset.rsplit("/", 2)[0]


def manifest_url(dataset: str) -> str:
    return join(dataset, "manifest.parquet")


def index_url(dataset: str) -> str:
    return join(dataset, "index.parquet")


def shards_url(dataset: str) -> str:
    return join(dataset, "shards")


def pixels_url(dataset: str, part: int) -> str:
    """The decoded images of a part: uint8 [files, size, size, 3] as .npy."""
    return join(shards_url(dataset), f"part-{part:05d}.npy")


def side_car_url(dataset: str, part: int) -> str:
    """What decoding found of each file of a part; written last."""
    return join(shards_url(dataset), f"part-{part:05d}.parquet")


def features_url(dataset: str, name: str = "") -> str:
    return join(dataset, "features", *([name] if name else []))


def audit_url(dataset: str) -> str:
    return join(dataset, "audit.json")


def success_url(folder: str) -> str:
    """Written last, when a dataset or an output is complete."""
    return join(folder, "_SUCCESS")


# Of a model version: `folder` is `version_url`.


def models_url(store: str) -> str:
    return join(absolute(store), "models")


def version_url(store: str, version: str) -> str:
    return join(models_url(store), version)


def model_url(folder: str) -> str:
    return join(folder, "model.keras")


def onnx_url(folder: str) -> str:
    return join(folder, ONNX)


def version_record_url(folder: str) -> str:
    """Written last; where it stands, the version is registered."""
    return join(folder, "model.json")


def card_url(folder: str) -> str:
    return join(folder, "card.md")


def promotions_url(store: str) -> str:
    return join(models_url(store), "promotions")


def promotion_url(store: str, number: int) -> str:
    return join(promotions_url(store), f"{number:08d}.json")


def champion_url(store: str) -> str:
    return join(models_url(store), "champion.json")


# Of the output of a classification.


def plan_url(output: str) -> str:
    return join(output, "_manifest.parquet")


def part_url(output: str, number: int, format: str) -> str:
    return join(output, f"part-{number:05d}.{format}")


def markers_url(output: str) -> str:
    return join(output, "_done")


def marker_url(output: str, number: int) -> str:
    """Says which files the rows of a part are of; written after them."""
    return join(markers_url(output), f"part-{number:05d}.json")


def lock_url(folder: str) -> str:
    return join(folder, "_lock.json")


def sorting_url(folder: str) -> str:
    """What was sorted into a folder of classified files, and by which job."""
    return join(folder, "_sorted.json")
