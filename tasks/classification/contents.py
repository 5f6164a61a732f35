"""What the report of a classification has of the files themselves: photographs, questions, a table."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks import storage
from tasks.classification.classify import decode_file
from tasks.classification.job import Job
from tasks.dataset import MAX_BYTES, read_images
from tasks.pages import photo
from tasks.storage import FileEntry


def question_links(job: Job, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Where a person is asked about the images of rows, by path; empty where no stack asks about them."""
    address = storage.review_address(storage.store_of(job.model.folder_url), job.output)
    if not address:
        return {}
    files = [FileEntry(row["path"], MAX_BYTES, "") for row in rows]
    contents = read_images(job.images_url, files)
    return {
        file.path: f"{address}#{storage.sha256(content)}"
        for file, content in zip(files, contents, strict=True)
        if isinstance(content, bytes)
    }


def sample_photos(job: Job, samples: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, bytes]:
    """Small JPEGs of the samples of each label, as `photo:<path>`."""
    rows = [row for of_label in samples.values() for row in of_label]
    return {f"photo:{row['path']}": photo(pixels) for row, pixels in load_photos(job, rows)}


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows of files as a CSV file for a spreadsheet."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["path", "status", "label", "confidence", "error"])
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: storage.as_cell(value) if isinstance(value, str) else value for name, value in row.items()}
        )
    return text.getvalue().encode()


def load_photos(job: Job, rows: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Each row with its pixels at the model's size; rows whose files have gone since are left out."""
    files = [FileEntry(row["path"], MAX_BYTES, "") for row in rows]  # as if large: read one by one
    contents = read_images(job.images_url, files)
    decoded_files = [
        decode_file(file, content, job.model.size_px) for file, content in zip(files, contents, strict=True)
    ]
    return [(row, pixels) for row, (_, pixels) in zip(rows, decoded_files, strict=True) if pixels is not None]
