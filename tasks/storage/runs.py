"""The layout of a store, and the URL of every file of its runs and versions; those of the rest: `datasets`,
`answers` and `outputs` beside this. No other module joins these names.

<store>/index.html
<store>/catalogue.json            what the datasets hold, for those to come
<store>/networks/<key>.onnx       what features are computed with
<store>/datasets/<fingerprint>/   manifest.parquet  index.parquet  shards/  features/  audit.json  _SUCCESS
<store>/runs/<run>/               run.json  summary.json  verdict.json  report.html  labels.json  *.csv  *.png
<store>/runs/<run>/               stages.json (time so far), _lock.json while it is at work
<store>/runs/<run>/<kind>/        history.csv  training.json  metrics.json  predictions.npz  ...  *.png
<store>/runs/<run>/checkpoints/   while a training is at work
<store>/models/<version>/         model.keras  model.onnx  model.int8.onnx  likeness.npz  model.json  card.md
<store>/models/                   champion.json  promotions/
<store>/labels/                   <time>-<id>.json  parts/  images/<sha256>.<ext>
<store>/classifications/          <time>-<output>.json: what models classified, where to, how right
"""

from dataclasses import dataclass

from tasks.storage.names import plain_name
from tasks.storage.objects import exists
from tasks.storage.urls import absolute, join

LEASE = "_lease-"  # begins the names of files that say who reads a version
ONNX = "model.onnx"
INT8 = "model.int8.onnx"
LIKENESS = "likeness.npz"
VERSION_FILES = ("model.keras", ONNX, INT8, LIKENESS, "card.md", "model.json")


@dataclass(frozen=True)
class Run:
    """One retraining or exploration: its name and the store it writes to."""

    name: str
    store: str

    @property
    def folder_url(self) -> str:
        return join(runs_url(self.store), plain_name(self.name, "A run"))

    @property
    def record_url(self) -> str:
        """Dataset and parameters of the run's training; written before decoding begins."""
        return run_record_url(self.folder_url)

    @property
    def labels_url(self) -> str:
        return join(self.folder_url, "labels.json")

    @property
    def wrong_labels_url(self) -> str:
        return join(self.folder_url, "wrong_labels.csv")

    @property
    def verdict_url(self) -> str:
        """What the run decided about the champion; written once."""
        return join(self.folder_url, "verdict.json")

    @property
    def stages_url(self) -> str:
        """When the run began, and how long each stage has taken in all of its attempts."""
        return join(self.folder_url, "stages.json")

    @property
    def checkpoints_url(self) -> str:
        """Where Ray Train keeps checkpoints, one folder per kind of model."""
        return join(self.folder_url, "checkpoints")

    def checkpoint_url(self, kind: str) -> str:
        return join(self.checkpoints_url, kind)

    def picture_url(self, name: str) -> str:
        """One of the run's plots by its name, such as `classes.png` or `cnn/confusion.png`."""
        return join(self.folder_url, *name.split("/"))

    def kind_url(self, kind: str) -> str:
        """The folder of the records about the run's model of one kind."""
        return join(self.folder_url, kind)

    def has_begun(self) -> bool:
        """Whether the retraining has begun to work, so that it can be resumed."""
        return exists(self.record_url)

    def version(self, kind: str) -> str:
        """The name of the model version that the run's model of one kind becomes."""
        return f"{self.name}-{kind}"

    def version_url(self, kind: str) -> str:
        return version_url(self.store, self.version(kind))


def runs_url(store: str) -> str:
    return join(store, "runs")


def overview_url(store: str) -> str:
    return join(absolute(store), "index.html")


def classifications_url(store: str) -> str:
    """Records of finished classifications, whose outputs lie elsewhere; named by time."""
    return join(absolute(store), "classifications")


def classification_url(store: str, name: str) -> str:
    return join(classifications_url(store), f"{plain_name(name, 'A classification')}.json")


def run_record_url(folder: str) -> str:
    return join(folder, "run.json")


# Of a run, an output, a dataset or a version, whichever have it.


def summary_url(folder: str) -> str:
    return join(folder, "summary.json")


def report_url(folder: str) -> str:
    return join(folder, "report.html")


def success_url(folder: str) -> str:
    """The marker of a complete dataset or output; written last."""
    return join(folder, "_SUCCESS")


def store_of(dataset: str) -> str:
    """The store of the dataset, or the model version, at a URL."""
    return dataset.rsplit("/", 2)[0]


# Of a run's model of one kind: `folder` is `Run.kind_url`.


def history_url(folder: str) -> str:
    return join(folder, "history.csv")


def training_url(folder: str) -> str:
    """The record of a training, written when the training is finished."""
    return join(folder, "training.json")


def diverged_url(folder: str) -> str:
    return join(folder, "diverged.json")


def waiting_url(folder: str) -> str:
    """What a training waits for, in words; there while it waits."""
    return join(folder, "waiting.json")


def cache_url(folder: str, split: str = "") -> str:
    """Outputs of the frozen base on a split (or the folder of them all), kept until training is finished."""
    return join(folder, "cache", *([split] if split else []))


def metrics_url(folder: str) -> str:
    return join(folder, "metrics.json")


def predictions_url(folder: str) -> str:
    """Labels and probabilities of the test images."""
    return join(folder, "predictions.npz")


def reference_url(folder: str) -> str:
    """The test images in numbers (looks and predictions); drift of later images is measured against them."""
    return join(folder, "reference.json")


def evidence_url(folder: str) -> str:
    """Grad-CAM maps of the most confident mistakes."""
    return join(folder, "evidence.npz")


# Of a model version: `folder` is `version_url`.


def models_url(store: str) -> str:
    return join(absolute(store), "models")


def version_url(store: str, version: str) -> str:
    return join(models_url(store), plain_name(version, "A version"))


def model_url(folder: str) -> str:
    return join(folder, "model.keras")


def onnx_url(folder: str) -> str:
    return join(folder, ONNX)


def int8_url(folder: str) -> str:
    """The model in integers of eight bits; a version lacks it where that would cost accuracy."""
    return join(folder, INT8)


def likeness_url(folder: str) -> str:
    """What a version tells images of no class by; it lacks it where that cannot be told."""
    return join(folder, LIKENESS)


def version_record_url(folder: str) -> str:
    """The record of a version, written last: a version with a record is registered."""
    return join(folder, "model.json")


def card_url(folder: str) -> str:
    return join(folder, "card.md")


def promotions_url(store: str) -> str:
    return join(models_url(store), "promotions")


def promotion_url(store: str, number: int) -> str:
    return join(promotions_url(store), f"{number:08d}.json")


def champion_url(store: str) -> str:
    return join(models_url(store), "champion.json")


# Of a folder that somebody works on.


def lock_url(folder: str) -> str:
    return join(folder, "_lock.json")


def lease_url(folder: str, holder: str) -> str:
    return join(folder, f"{LEASE}{holder}.json")
