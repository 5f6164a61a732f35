"""What the report of a classification has of the files themselves: photographs, questions, a table."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tasks import storage
from tasks.classification.classify import decode_file
from tasks.classification.job import Job
from tasks.dataset import MAX_BYTES, ImageError, read_images
from tasks.pages import photo
from tasks.storage import FileEntry


def question_links(job: Job, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Where a person is asked about the images of rows, by path; empty where no stack asks about them."""
    address = storage.review_address(storage.store_of(job.model.folder_url), job.output)
    if not address:
        return {}
    return {
        file.path: f"{address}#{storage.sha256(content)}"
        for file, content in read_files(job, rows)
        if isinstance(content, bytes)
    }


def review_way(job: Job) -> str:
    return storage.review_way(storage.store_of(job.model.folder_url), job.output)


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
    """Each row with its pixels as the model sees them; rows whose files have gone since are left out."""
    decoded_files = [decode_file(file, content, job.model) for file, content in read_files(job, rows)]
    return [(row, pixels) for row, (_, pixels) in zip(rows, decoded_files, strict=True) if pixels is not None]


def read_files(job: Job, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[FileEntry, bytes | ImageError]]:
    """The file of each row and its bytes, or why it cannot be read."""
    files = [FileEntry(row["path"], MAX_BYTES, "") for row in rows]  # as if large: read one by one
    return zip(files, read_images(job.images_url, files), strict=True)
