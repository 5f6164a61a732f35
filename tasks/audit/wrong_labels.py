"""Labels that are likely wrong: what a simple model, trained on the other images, says of each."""

import csv
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tasks import storage
from tasks.audit.features import Base, Features
from tasks.dataset import Dataset
from tasks.storage import Run

FOLDS = 5
FEWEST = 2 * FOLDS  # images of a class that can be judged, FOLDS of them unlike
MOST_TRAINED = 20_000  # images a fold learns from
STRENGTH, TOLERANCE, ROUNDS = 1e-3, 1e-2, 100  # chosen by planted label errors
PREDICTED_AT_ONCE = 4_096
SHOWN = 50
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
TOO_FEW = (
    f"it takes two classes with {FEWEST} images each outside the test split, "
    f"{FOLDS} of them no copies of one another"
)
METHOD = (
    "out-of-fold logistic regression on MobileNetV2 features, confident learning (Northcutt et al. 2021), "
    "ranked by normalised margin"
)

log = logging.getLogger("darkroom")


class Taken(Protocol):
    """Features of images: float32 [len(images), features]."""

    def take(self, images: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Suspect:
    """An image whose label is likely wrong: the label given, the one suggested, their probabilities."""

    path: str
    split: str
    given: str
    suggested: str
    given_probability: float
    suggested_probability: float


@dataclass(frozen=True)
class LabelCheck:
    """What came of looking for wrong labels; `skipped` says why they were not looked for."""

    checked: int = 0
    suspected: int = 0
    first: tuple[Suspect, ...] = ()
    skipped: str = ""

    def record(self) -> dict[str, Any]:
        found = [asdict(suspect) for suspect in self.first]
        counts = {"checked": self.checked, "suspected": self.suspected, "skipped": self.skipped}
        return {"method": METHOD, **counts, "suspects": found}


@task(cache_policy=NO_CACHE, task_run_name="check labels")
def check_labels(dataset: Dataset, base: Base, run: Run) -> LabelCheck:
    """Look for wrong labels; write labels.json of the run, and all suspects to its wrong_labels.csv."""
    checked = LabelCheck(skipped=base.missing) if base.missing else look_for_wrong_labels(dataset, base, run)
    if checked.skipped:
        log.info("Labels were not checked: %s", checked.skipped)
    else:
        log.info("Labels: %s checked, %s likely wrong", f"{checked.checked:,}", f"{checked.suspected:,}")
    storage.write_json(run.labels_url, checked.record())
    return checked


def look_for_wrong_labels(dataset: Dataset, base: Base, run: Run) -> LabelCheck:
    columns = ["path", "part", "row", "label", "split", "sha256", "group", "status"]
    index = storage.read_table(storage.index_url(dataset.url), columns).to_pylist()
    rows = [row for row in index if row["status"] == "ok"]
    part, row = (np.array([one[name] for one in rows], np.int64) for name in ("part", "row"))
    checked, suspects = find_suspects(rows, Features(dataset, base, part, row))
    if not checked:
        return LabelCheck(skipped=TOO_FEW)
    storage.write_bytes(run.wrong_labels_url, as_csv(suspects))
    return LabelCheck(checked, len(suspects), tuple(suspects[:SHOWN]))


def as_csv(suspects: Sequence[Suspect]) -> bytes:
    """Suspects for a spreadsheet, likeliest first; names that it would take for formulas begin with '."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Suspect.__dataclass_fields__))
    writer.writeheader()
    for suspect in suspects:
        writer.writerow({name: _no_formula(value) for name, value in asdict(suspect).items()})
    return text.getvalue().encode()


def _no_formula(value: Any) -> Any:
    """Source: OWASP, "CSV Injection"."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def find_suspects(rows: Sequence[dict], features: Taken) -> tuple[int, list[Suspect]]:
    """How many labels were checked, and those likely wrong, likeliest first.

    rows: path, label, split, sha256 and group of usable images. Test images are judged, not learned from.
    Classes with fewer than FEWEST other images, or FOLDS unlike ones, are not judged.
    """
    names, labels = np.unique([row["label"] for row in rows], return_inverse=True)
    learnt = np.array([row["split"] != "test" for row in rows], bool)
    group = np.array([row["group"] for row in rows], np.int64)
    unlike = np.unique(np.stack([labels, group])[:, learnt], axis=1)[0]
    images = np.bincount(labels[learnt], minlength=len(names))
    known = (images >= FEWEST) & (np.bincount(unlike, minlength=len(names)) >= FOLDS)
    if known.sum() < 2:
        return 0, []
    probabilities = out_of_fold(features, labels, deal(rows, labels), learnt & known[labels])
    judged = np.flatnonzero(known[labels] & (probabilities[np.arange(len(rows)), labels] > 0))
    order, suggested = likely_wrong(probabilities[judged], labels[judged])
    suspects = [
        Suspect(
            path=rows[image]["path"],
            split=rows[image]["split"],
            given=str(names[labels[image]]),
            suggested=str(names[other]),
            given_probability=round(float(probabilities[image, labels[image]]), 4),
            suggested_probability=round(float(probabilities[image, other]), 4),
        )
        for image, other in zip(judged[order], suggested, strict=True)
    ]
    return len(judged), suspects


def deal(rows: Sequence[dict], labels: np.ndarray) -> np.ndarray:
    """A fold for each image, int [images]: classes dealt evenly in the order of content hashes.

    Copies and near duplicates go to one fold, since they would vouch for one another's labels.
    """
    hashes = np.array([row["sha256"] for row in rows])
    _, first, group = np.unique([row["group"] for row in rows], return_index=True, return_inverse=True)
    order = np.lexsort((hashes[first], labels[first]))
    dealt = labels[first][order]
    folds = np.empty(len(first), np.int64)
    folds[order] = (np.arange(len(first)) - np.searchsorted(dealt, dealt)) % FOLDS
    return folds[group]


def out_of_fold(features: Taken, labels: np.ndarray, folds: np.ndarray, learnt: np.ndarray) -> np.ndarray:
    """Probabilities float32 [images, classes] by models that never saw the image or a copy of it.

    learnt: the images that may be learned from, bool [images]; of many, a balanced MOST_TRAINED. A class
    that a fold's model never saw has probability 0, as all have in a fold whose others hold one class.
    """
    random = np.random.default_rng(0)
    probabilities = np.zeros((len(labels), labels.max() + 1), np.float32)
    for fold in range(FOLDS):
        images = balanced(random.permutation(np.flatnonzero(learnt & (folds != fold))), labels)
        if len(np.unique(labels[images])) < 2:
            continue
        model = fitted(features.take(images), labels[images])
        judged = np.flatnonzero(folds == fold)
        for chunk in _chunks(judged):
            probabilities[np.ix_(chunk, model.classes_)] = model.predict_proba(features.take(chunk))
    return probabilities


def fitted(features: np.ndarray, labels: np.ndarray) -> Pipeline:
    regression = LogisticRegression(C=STRENGTH, tol=TOLERANCE, max_iter=ROUNDS)
    return make_pipeline(StandardScaler(), regression).fit(features, labels)


def balanced(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """At most MOST_TRAINED of some images, taking from each class in turn while it lasts."""
    order = np.argsort(labels[images], kind="stable")
    of_class = labels[images][order]
    turn = np.empty(len(images), np.int64)
    turn[order] = np.arange(len(images)) - np.searchsorted(of_class, of_class)
    return images[np.argsort(turn, kind="stable")[:MOST_TRAINED]]


def likely_wrong(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the images whose labels are likely wrong, likeliest first, and their suggested classes.

    An image counts as another class where that is as probable as it is on average for images of that
    class, and more probable than the class given (the off-diagonal of the confident joint). Ranked by
    normalised margin: probability of the class given minus the largest other one.
    Source: Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels".
    """
    images = np.arange(len(labels))
    given = probabilities[images, labels]
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    usual = np.bincount(labels, weights=given, minlength=classes) / np.maximum(counts, 1)
    usual[counts == 0] = np.inf
    confident = np.where(probabilities >= usual, probabilities, 0)
    suggested = confident.argmax(axis=1)
    others = probabilities.copy()
    others[images, labels] = -1
    margin = given - others.max(axis=1)
    wrong = np.flatnonzero((suggested != labels) & (confident[images, suggested] > given))
    order = wrong[np.argsort(margin[wrong], kind="stable")]
    return order, suggested[order]


def _chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), PREDICTED_AT_ONCE):
        yield images[start : start + PREDICTED_AT_ONCE]
