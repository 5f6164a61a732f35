"""audit.json: what every check found in a dataset."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tasks import storage
from tasks.audit.checks import CHECKS
from tasks.dataset import Dataset
from tasks.storage import Run
from tasks.task_runs import task

log = logging.getLogger("darkroom")

LOGGED = ("files", "bad", "exact", "near", "conflicts", "leaked", "leaking")


@task(task_run_name="audit")
def audit_dataset(dataset: Dataset) -> None:
    """Write audit.json beside the dataset."""
    rows = storage.read_table(storage.index_url(dataset.url)).to_pylist()
    audit = audit_rows(rows, dataset.classes, dataset.unlabelled) | {"origin": dataset.origin}
    if problems := storage.json_unless_broken(storage.label_problems_url(dataset.url)):
        audit["label_problems"] = {kind: len(entries) for kind, entries in problems.items()}
    storage.write_record(storage.audit_url(dataset.url), audit)
    log.info(
        "Audit: %s files, bad: %s; sets of exact copies: %s, of near ones: %s, with labels in conflict: %s; "
        "copies of judging images left out: %s, still trained on: %s",
        *(f"{audit['counts'][name]:,}" for name in LOGGED),
    )


def read_audit(dataset: Dataset, run: Run) -> dict[str, Any]:
    """The audit.json of a dataset with what this run found of its labels: `labels`, `counts.wrong_labels`."""
    audit = storage.read_record(storage.audit_url(dataset.url))
    labels = storage.read_json(run.labels_url)
    return audit | {"labels": labels, "counts": audit["counts"] | {"wrong_labels": labels["suspected"]}}


def read_duplicates(dataset_url: str) -> list[dict[str, Any]]:
    """The sets of copies that an audit found, as `find_copies` tells them; none where its record is lost."""
    return (storage.json_unless_broken(storage.audit_url(dataset_url)) or {}).get("duplicates", [])


def audit_rows(rows: Sequence[Mapping[str, Any]], classes: Sequence[str], unlabelled: int) -> dict[str, Any]:
    """The whole audit.json of the rows of a dataset's index.

    counts: `files` listed, of which `ok` can be used; `unlabelled` ones lie in no class folder; and those of
    each check. What else there is, each check says.
    """
    usable = sum(row["status"] == "ok" for row in rows)
    audit: dict[str, Any] = {"counts": {"files": len(rows), "ok": usable, "unlabelled": unlabelled}}
    for check in CHECKS:
        findings = check.find(rows, classes)
        audit = audit | findings | {"counts": audit["counts"] | findings.get("counts", {})}
    return audit
