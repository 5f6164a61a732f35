"""Labels from files of other programs, and into them: CSV, Parquet, JSON lines, Label Studio, COCO."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa

from tasks import storage
from tasks.errors import InputError

ODD = (ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error)  # of files made otherwise
FORMATS = ("csv", "parquet", "jsonl", "json")
UPLOAD = re.compile(r"/data/upload/.*/[0-9a-f]{8}-")  # Label Studio puts this before an uploaded file's name
LOCAL_FILES = "/data/local-files/"
COCO = {"images", "annotations", "categories"}


@dataclass(frozen=True)
class LabelRow:
    """One row of a file of labels: an image, by path or hash of its bytes, and what a person says of it.

    place: where it stands in the file, in words. decision: label or drop. problem: why it cannot be used.
    """

    place: str
    path: str = ""
    sha256: str = ""
    label: str = ""
    decision: str = "label"
    who: str = ""
    problem: str = ""


def read_label_rows(url: str) -> list[LabelRow]:
    """The rows of a file, of the format that its name ends in; of .json that of Label Studio or COCO.

    Raises InputError for a file that is not there, is of another format or has no labels in it.
    """
    records = read_label_records(url)
    if not any(isinstance(record, LabelRow) for record in records):
        check_columns(url, [record for record in records if not isinstance(record, LabelRow)])
    return [
        record if isinstance(record, LabelRow) else row_of(f"row {number}", record)
        for number, record in enumerate(records, 1)
    ]


def read_label_records(url: str) -> Sequence[LabelRow | dict[str, Any]]:
    """The rows of a file as they stand in it, by its columns; of Label Studio and COCO as LabelRows.

    Raises InputError for a file that is not there or is of another format.
    """
    ending = format_of_labels(url)
    try:
        if ending == "parquet":
            return list(storage.read_table(url).to_pylist())
        data = storage.read_bytes(url, storage.MOST_JSON)
        content = json.loads(data) if ending == "json" else None
        if isinstance(content, list) and is_label_studio(content):
            return [row for number, task in enumerate(content, 1) for row in rows_of_task(number, task)]
        if isinstance(content, dict) and content.keys() >= COCO:
            try:
                return rows_of_coco(content, url)
            except KeyError as error:
                raise ValueError(f"an image, a category or an annotation has no {error}") from error
        return read_records(data, ending)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(
            f"A file of labels must be there. Received {url!r}, where there is none: correct its path."
        ) from error
    except InputError:
        raise
    except ODD as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"A file of labels must be whole {ending}. Received {url!r}: {line}.") from error


def check_columns(url: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError where a table has no column of labels, or none that names images."""
    names = {name for record in records for name in record}
    if "label" not in names or not names & {"path", "sha256"}:
        raise InputError(
            "A file of labels must have a column `label` and one of `path` or `sha256`. "
            f"Received {', '.join(sorted(map(str, names))) or 'no rows'} in {url!r}."
        )


def format_of_labels(url: str) -> str:
    """csv, parquet, jsonl or json, by the end of a file's name; InputError for any other."""
    ending = url.rpartition(".")[2].lower()
    ending = {"ndjson": "jsonl"}.get(ending, ending)
    if ending not in FORMATS:
        raise InputError(
            f"A file of labels must be of a name that ends in .{', .'.join(FORMATS)}. Received: {url!r}."
        )
    return ending


def read_records(data: bytes, ending: str) -> list[dict[str, Any]]:
    text = data.decode("utf-8-sig")
    if ending == "csv":
        head = text.partition("\n")[0]
        delimiter = max(",;\t", key=head.count)  # of spreadsheets in other languages too
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [{name: storage.from_cell(value or "") for name, value in row.items() if name} for row in rows]
    lines = [line for line in text.split("\n") if line.strip()]
    records = json.loads(text) if ending == "json" else [json.loads(line) for line in lines]
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError("each row must be an object")
    return records


def row_of(place: str, record: Mapping[str, Any]) -> LabelRow:
    names = ("sha256", "label", "decision", "who")
    path, *others = ("" if (value := record.get(name)) is None else str(value) for name in ("path", *names))
    texts = dict(zip(names, map(str.strip, others), strict=True))
    return LabelRow(place, path, **texts | {"decision": texts["decision"] or "label"})


def is_label_studio(tasks: Sequence[Any]) -> bool:
    return bool(tasks) and all(isinstance(task, dict) and "annotations" in task for task in tasks)


def rows_of_task(number: int, task: Mapping[str, Any]) -> Iterator[LabelRow]:
    """The labels that people gave to one task of Label Studio; tasks that nobody answered give none.

    Source: https://labelstud.io/guide/task_format. A result of type `choices` says in `source` which of the
    task's data it is about, such as `$image`; older ones name the tag that shows it alone (`to_name`).
    """
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            continue
        place = f"task {task.get('id', number)}"
        choices = [result for result in annotation.get("result", ()) if result.get("type") == "choices"]
        names = [str(result.get("source") or f"${result.get('to_name')}")[1:] for result in choices]
        path = path_of_task(task.get("data", {}), names)
        labels = [label for result in choices for label in result["value"]["choices"]]
        problem = "" if len(labels) == 1 and path else "it needs one image and one choice"
        label = labels[0] if len(labels) == 1 else ""
        yield LabelRow(place, path, label=str(label), who=annotator(annotation), problem=problem)


def rows_of_coco(content: Mapping[str, Any], url: str) -> list[LabelRow]:
    """The category of each image of COCO annotations, however often it stands there; none where none does.

    Raises InputError where images have several, for then none of them is the class of the image. Source:
    https://cocodataset.org/#format-data (object detection).
    """
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    labels: dict[Any, set[str]] = {image["id"]: set() for image in content["images"]}
    for annotation in content["annotations"]:
        image, category = annotation["image_id"], annotation["category_id"]
        if image not in labels or category not in names:
            raise ValueError(
                f"no image {image!r} or no category {category!r}, of which there is an annotation"
            )
        labels[image].add(names[category])
    several = [image for image in content["images"] if len(labels[image["id"]]) > 1]
    if several:
        example = f"{several[0]['file_name']!r} ({', '.join(sorted(labels[several[0]['id']]))})"
        raise InputError(
            "COCO annotations must be of one category in each image. Received several in "
            f"{len(several):,} of {len(labels):,} images, such as {example}, in {url!r}: leave these images "
            "out of the file, or cut their objects out."
        )
    return [
        LabelRow(f"image {image['id']}", str(image["file_name"]), label="".join(labels[image["id"]]))
        for image in content["images"]
    ]


def path_of_task(data: Mapping[str, Any], names: Sequence[Any]) -> str:
    """The path of a task's image, as it was before Label Studio made an address of it."""
    values = [data[name] for name in (*names, "image") if isinstance(data.get(name), str)]
    texts = values or [value for value in data.values() if isinstance(value, str)]
    if not texts:
        return ""
    address = texts[0]
    if match := UPLOAD.match(address):
        return unquote(address[match.end() :])
    if LOCAL_FILES in address:
        return parse_qs(urlsplit(address).query).get("d", [""])[0]
    return address


def annotator(annotation: Mapping[str, Any]) -> str:
    """Who annotated: the address that the user record has, else the number of the user."""
    user = annotation.get("completed_by")
    if isinstance(user, Mapping):
        user = user.get("email") or user.get("id")
    return "" if user is None else str(user)


def write_label_rows(url: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Write rows of labels in the format that the file's name ends in; `read_label_rows` reads them."""
    ending = format_of_labels(url)
    if ending == "parquet":
        schema = pa.schema([(name, pa.float64() if name == "confidence" else pa.string()) for name in names])
        storage.write_table(url, pa.Table.from_pylist(list(rows), schema))
        return
    if ending == "csv":
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(names)
        writer.writerows([cell(row[name]) for name in names] for row in rows)
        storage.write_bytes(url, text.getvalue().encode())
        return
    lines = [json.dumps(dict(row), ensure_ascii=False) for row in rows]
    text_of_rows = f"[{', '.join(lines)}]" if ending == "json" else "\n".join([*lines, ""])
    storage.write_bytes(url, text_of_rows.encode())


def cell(value: Any) -> Any:
    return storage.as_cell(value) if isinstance(value, str) else value


def is_end(one: str, other: str) -> bool:
    """Whether one of two paths or addresses is how the other ends, in whole names."""
    return all(mine == its for mine, its in zip(names_in(one), names_in(other), strict=False))


def names_in(path: str) -> Sequence[str]:
    """The names in a path or an address, the last one first."""
    names = (path.partition("://")[2] or path).split("/")
    return [name for name in reversed(names) if name not in ("", ".")]
