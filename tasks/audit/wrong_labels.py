"""Labels that are likely wrong: what a simple model, trained on the other images, says of each."""

import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tasks import storage
from tasks.audit.features import Base, Features
from tasks.audit.gap import measure_gap
from tasks.audit.out_of_fold import FEWEST, FOLDS, Beliefs, believe
from tasks.audit.words import count
from tasks.dataset import Dataset
from tasks.storage import Run
from tasks.task_runs import task

MOST_WRONG = 0.05  # share of the labels; a dataset with more is not sound
HARDLY_BELIEVED = 0.1  # of a class's mean probability; chosen, as the ranking, by planted label errors
SHOWN = 50
TOO_FEW = (
    f"it takes two classes with {FEWEST} images each outside the test split, "
    f"{FOLDS} of them no copies of one another"
)
METHOD = (
    "out-of-fold logistic regression on MobileNetV2 features, confident learning (Northcutt et al. 2021), "
    "ranked by self-confidence"
)

log = logging.getLogger("darkroom")


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
    """How many labels were checked and how many are likely wrong, with the likeliest of those.

    skipped: why no label was checked, if none was. gap: what `measure_gap` found.
    """

    checked: int = 0
    suspected: int = 0
    suspects: tuple[Suspect, ...] = ()
    skipped: str = ""
    gap: dict[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """What labels.json says."""
        counts = {"checked": self.checked, "suspected": self.suspected, "skipped": self.skipped}
        suspects = [asdict(suspect) for suspect in self.suspects]
        return {"method": METHOD, **counts, "suspects": suspects, "gap": self.gap}


@task(task_run_name="check labels")
def check_labels(dataset: Dataset, base: Base, run: Run) -> LabelCheck:
    """Look for wrong labels; write labels.json of the run, and all in doubt to its wrong_labels.csv."""
    check = LabelCheck(skipped=base.missing) if base.missing else look_for_wrong_labels(dataset, base, run)
    if check.skipped:
        log.info("Labels were not checked: %s", check.skipped)
    else:
        log.info("Labels: %s checked, %s likely wrong", f"{check.checked:,}", f"{check.suspected:,}")
    storage.write_json(run.labels_url, check.record())
    return check


def look_for_wrong_labels(dataset: Dataset, base: Base, run: Run) -> LabelCheck:
    columns = ["path", "part", "row", "label", "split", "sha256", "group", "status", "answer", "scene"]
    index = storage.read_table(storage.index_url(dataset.url))  # older ones have no answers and scenes
    rows = index.select([name for name in columns if name in index.column_names]).to_pylist()
    rows = [row for row in rows if row["status"] == "ok"]
    parts, rows_of_parts = (np.array([row[name] for row in rows], np.int64) for name in ("part", "row"))
    features = Features(dataset, base, parts, rows_of_parts)
    if not (beliefs := believe(rows, features)):
        return LabelCheck(skipped=TOO_FEW)
    checked, suspects, doubtful = suspects_among(rows, beliefs)
    storage.write_bytes(run.wrong_labels_url, as_csv([*suspects, *doubtful]))
    gap = measure_gap([row.get("scene") for row in rows], beliefs, features)
    return LabelCheck(checked, len(suspects), tuple(suspects[:SHOWN]), gap=gap)


def as_csv(suspects: Sequence[Suspect]) -> bytes:
    """Suspects for a spreadsheet, likeliest first; names that it would take for formulas begin with '."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Suspect.__dataclass_fields__))
    writer.writeheader()
    for suspect in suspects:
        cells = {
            name: storage.as_cell(value) if isinstance(value, str) else value
            for name, value in asdict(suspect).items()
        }
        writer.writerow(cells)
    return text.getvalue().encode()


def read_suspects(run: Run) -> list[Suspect]:
    """The labels of a run that are in doubt, as `as_csv` wrote them; none where none were checked."""
    url = run.wrong_labels_url
    return storage.unless_broken(lambda: from_csv(storage.read_bytes(url)), url) or []


def from_csv(data: bytes) -> list[Suspect]:
    return [
        Suspect(
            path=storage.from_cell(row["path"]),
            split=row["split"],
            given=storage.from_cell(row["given"]),
            suggested=storage.from_cell(row["suggested"]),
            given_probability=float(row["given_probability"]),
            suggested_probability=float(row["suggested_probability"]),
        )
        for row in csv.DictReader(io.StringIO(data.decode(), newline=""))
    ]


def label_points(audit: Mapping[str, Any]) -> Iterator[str]:
    """What the audit of a dataset says of its labels."""
    labels = audit["labels"]
    if suspected := labels["suspected"]:
        share = suspected / max(labels["checked"], 1)
        yield f"{count(suspected, 'label is', 'labels are')} likely wrong ({100 * share:.1f} %)."
    if skipped := labels["skipped"]:
        yield f"Labels were not checked: {skipped}."


def labels_are_wrong(audit: Mapping[str, Any]) -> bool:
    """Whether so many labels are likely wrong that the dataset is not sound."""
    return audit["labels"]["suspected"] > MOST_WRONG * max(audit["labels"]["checked"], 1)


def suspects_among(rows: Sequence[dict], beliefs: Beliefs) -> tuple[int, list[Suspect], list[Suspect]]:
    """How many labels were checked, those likely wrong, and more that are in doubt, each likeliest first.

    rows: path, label and split of the images, and the `answer` of a person, if any: that label is taken for
    right.
    """
    probabilities, labels = beliefs.probabilities, beliefs.labels
    given = probabilities[np.arange(len(rows)), labels]
    checked = np.flatnonzero(beliefs.is_judged & (given > 0))
    of_checked = probabilities[checked], labels[checked]
    suspects, doubtful = (
        [
            suspect_of(
                rows[image],
                str(beliefs.names[suggestion]),
                float(given[image]),
                float(probabilities[image, suggestion]),
            )
            for image, suggestion in zip(checked[order], suggested, strict=True)
            if rows[image].get("answer") is None
        ]
        for order, suggested in (likely_wrong(*of_checked), hardly_believed(*of_checked))
    )
    likely = {suspect.path for suspect in suspects}
    return len(checked), suspects, [suspect for suspect in doubtful if suspect.path not in likely]


def suspect_of(row: dict, suggested: str, given_probability: float, suggested_probability: float) -> Suspect:
    return Suspect(
        path=row["path"],
        split=row["split"],
        given=row["label"],
        suggested=suggested,
        given_probability=round(given_probability, 4),
        suggested_probability=round(suggested_probability, 4),
    )


def likely_wrong(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the images whose labels are likely wrong, likeliest first, and their suggested classes.

    probabilities: float [images, classes]. labels: int [images]. Another class is suggested where it is as
    probable as on average for images of that class, and more probable than the class given (the off-diagonal
    of the confident joint). Ranked by self-confidence, the probability of the class given.
    Source: Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels".
    """
    images = np.arange(len(labels))
    given = probabilities[images, labels]
    confident = np.where(probabilities >= mean_given(probabilities, labels), probabilities, 0)
    suggested = confident.argmax(axis=1)
    wrong = np.flatnonzero((suggested != labels) & (confident[images, suggested] > given))
    order = wrong[np.argsort(given[wrong], kind="stable")]
    return order, suggested[order]


def hardly_believed(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the images of whose class hardly anything speaks, as `likely_wrong` gives them.

    The class given has less than HARDLY_BELIEVED of the probability that it has on average for its images,
    and the likeliest class is suggested, however unsure it is itself.
    """
    given = probabilities[np.arange(len(labels)), labels]
    suggested = probabilities.argmax(axis=1)
    doubtful = np.flatnonzero(
        (suggested != labels) & (given < HARDLY_BELIEVED * mean_given(probabilities, labels)[labels])
    )
    order = doubtful[np.argsort(given[doubtful], kind="stable")]
    return order, suggested[order]


def mean_given(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean probability of each class over the images that have it for a label; inf where none has."""
    given = probabilities[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    means = np.bincount(labels, weights=given, minlength=len(counts)) / np.maximum(counts, 1)
    return np.where(counts, means, np.inf)
