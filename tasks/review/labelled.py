"""Questions about labelled images: labels in conflict, labels that look wrong, confident mistakes on test."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tasks import storage
from tasks.audit import Suspect, read_duplicates, read_suspects
from tasks.evaluation import scale_temperature
from tasks.review.evidence import Evidence, Row, Trained, in_order
from tasks.review.question import Beliefs, Question, beliefs_of, sure


def find_conflicts(evidence: Evidence) -> Iterator[Question]:
    """One question for each picture that is there under different labels, all of its files shown.

    The use is 1: one of the labels is wrong for certain.
    """
    if not (trained := evidence.trained):
        return
    conflicts = [copies["paths"] for copies in read_duplicates(trained.dataset_url) if in_conflict(copies)]
    rows = {row["path"]: row for row in trained.rows("path", (path for paths in conflicts for path in paths))}
    suspects = {suspect.path: suspect for suspect in read_suspects(trained.run)}
    for paths in conflicts:
        members = [rows[path] for path in paths if path in rows]
        pictures = tuple(trained.picture(row) for row in members)
        labels = list(dict.fromkeys(row["label"] for row in members))
        if len(labels) < 2:
            continue
        suspect = next((suspects[path] for path in paths if path in suspects), None)
        beliefs = beliefs_about(suspect) if suspect else ()
        reason = f"The same picture lies under {', '.join(labels[:-1])} and {labels[-1]}."
        yield Question("conflict", pictures, beliefs, reason, 1.0, trained.run.name)


def in_conflict(copies: dict[str, Any]) -> bool:
    return copies["labels_conflict"] and not copies["in_near_set"]


def find_wrong_labels(evidence: Evidence) -> Iterator[Question]:
    """One question for each label that looks wrong to a model which never saw the image.

    The use is how improbable the label given is.
    """
    if not (trained := evidence.trained):
        return
    suspects = read_suspects(trained.run)
    rows = {row["path"]: row for row in trained.rows("path", [suspect.path for suspect in suspects])}
    copies = copies_of(trained, rows.values())
    for suspect in suspects:
        if (row := rows.get(suspect.path)) is None:
            continue
        given, suggested = suspect.given_probability, suspect.suggested_probability
        reason = (
            f"It lies under {suspect.given}; a model that never saw it takes it for {suspect.suggested} "
            f"({sure(suggested)}) and gives {suspect.given} {sure(given)}."
        )
        pictures = tuple(map(trained.picture, in_order(copies[row["group"]], row)))
        use = min(max(1 - given, 0.0), 1.0)
        yield Question("wrong_label", pictures, beliefs_about(suspect), reason, use, trained.run.name)


def beliefs_about(suspect: Suspect) -> Beliefs:
    return beliefs_of(
        {suspect.given: suspect.given_probability, suspect.suggested: suspect.suggested_probability}
    )


def find_mistakes(evidence: Evidence) -> Iterator[Question]:
    """One question for each test image that a model of the run got wrong; the use is how sure it was.

    Of two models that are wrong on an image the surer one is told.
    """
    if not (trained := evidence.trained):
        return
    test = trained.rows("split", ["test"])
    mistakes: dict[int, tuple[str, Beliefs]] = {}
    for kind in trained.summary.get("models", {}):
        for image, beliefs in mistakes_of(trained, kind, len(test)):
            if image not in mistakes or beliefs[0][1] > mistakes[image][1][0][1]:
                mistakes[image] = kind, beliefs
    copies = copies_of(trained, (test[image] for image in mistakes))
    for image, (kind, beliefs) in mistakes.items():
        row, (predicted, confidence) = test[image], beliefs[0]
        reason = (
            f"A test image that lies under {row['label']}; {kind} takes it for {predicted} "
            f"({sure(confidence)}). Either the model is wrong, or the label."
        )
        pictures = tuple(map(trained.picture, in_order(copies[row["group"]], row)))
        yield Question("mistake", pictures, beliefs, reason, confidence, trained.run.name)


def mistakes_of(trained: Trained, kind: str, images: int) -> Iterator[tuple[int, Beliefs]]:
    """The numbers of the test images that a model got wrong, and what it believes of each, calibrated."""
    folder_url = trained.run.kind_url(kind)
    url = storage.predictions_url(folder_url)
    arrays = storage.unless_broken(lambda: storage.read_arrays(url), url)
    if arrays is None or len(arrays["labels"]) != images:
        return
    temperature = storage.read_json(storage.metrics_url(folder_url))["temperature"]
    probabilities = scale_temperature(arrays["probabilities"], temperature)
    for image in np.flatnonzero(probabilities.argmax(1) != arrays["labels"]):
        yield int(image), beliefs_of(dict(zip(trained.classes, probabilities[image].tolist(), strict=True)))


def copies_of(trained: Trained, rows: Iterable[Row]) -> dict[int, list[Row]]:
    """The rows that show the same picture as one of these, by the number of their group."""
    copies: dict[int, list[Row]] = {}
    for row in trained.rows("group", {row["group"] for row in rows}):
        copies.setdefault(row["group"], []).append(row)
    return copies
