"""Images in class folders, sorted as if a model had labelled them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tasks.classification.job import Job, partitions, parts_of, plan_job
from tasks.classification.rows import to_table, write_rows
from tasks.classification.sorting import open_sorting, sort_files
from tasks.networks.version import ModelVersion
from tasks.parameters import Classification

MODEL = ModelVersion("v1", "cnn", "", "sha", ("a", "b"), 32, 1.0)
NAMES = [f"{number}.jpg" for number in range(6)]


def sort(images: Path, labels: dict[str, str], model: ModelVersion = MODEL, **options: object) -> list[str]:
    """Sort the images as if a model had given them these labels; `a` to all others. Returns what failed."""
    job = plan_job.fn(str(images), str(images.parent / "out"), model, Classification(**options))
    open_sorting(job)
    return list(sort_all(job, labels))


def sort_all(job: Job, labels: dict[str, str]) -> Iterator[str]:
    for partition in partitions(job):
        for part in parts_of(partition):
            rows = [
                {"path": file.path, "status": "ok", "label": labels.get(file.path, "a")}
                for file in part.files
            ]
            write_rows(part, to_table(rows, job.options.format))
            yield from sort_files(part)


def tree(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    return sorted(
        str(path.relative_to(folder))
        for path in files
        if not path.parts[-1].startswith("_sorted") and "_sorted" not in path.parts
    )


def other_model() -> ModelVersion:
    return replace(MODEL, version="v2", sha256="other")
