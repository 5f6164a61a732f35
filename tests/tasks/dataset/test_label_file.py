"""Labels from a file: what names an image, what cannot be used, and what is refused."""

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import storage
from tasks.dataset.label_file import (
    DOUBLED,
    NO_FILE,
    NO_LABEL,
    NO_ROW,
    NO_SPLIT,
    NO_TIME,
    SEVERAL,
    label_by_file,
    read_label_file,
)
from tasks.dataset.listing import label_images
from tasks.dataset.manifest import list_images
from tasks.errors import InputError
from tasks.parameters import Data
from tasks.storage import FileEntry
from tests.tasks.dataset.test_drawing import dataset_of, rows_of
from tests.tasks.dataset.test_manifest import folder

ROOT = "/photos"
FILES = [FileEntry(path, 1, "") for path in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/3.png", "4.jpg")]


def csv_of(place: Path, *lines: str, name: str = "labels.csv") -> str:
    (place / name).write_text("\n".join(lines))
    return str(place / name)


def read(url: str, **columns: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    rows, problems = label_by_file(FILES, ROOT, read_label_file(url, columns))
    return {row.file.path: row for row in rows if row.label}, problems.kinds


def test_a_row_names_a_file_by_path_url_name_or_id_where_that_fits_one(tmp_path: Path):
    lines = ["id,label", "a/1.jpg,x", "/photos/a/2.jpg,y", "3,x", "./4.jpg,y", "old/b/1.jpg,y"]
    rows, problems = read(csv_of(tmp_path, *lines))
    assert {path: row.label for path, row in rows.items()} == {
        "a/1.jpg": "x",
        "a/2.jpg": "y",
        "b/3.png": "x",
        "4.jpg": "y",
        "b/1.jpg": "y",
    }
    assert not problems
    _, problems = read(csv_of(tmp_path, "id,label", "1,x"))
    assert problems[SEVERAL] == ["1"]


def test_csv_parquet_json_lines_and_label_studio_say_the_same(tmp_path: Path):
    records = [
        {
            "file": "a/1.jpg",
            "species": "x",
            "split": "Training",
            "group": "g1",
            "time": "2024-05-01T10:00:00",
        },
        {"file": "a/2.jpg", "species": "y", "split": "test", "group": None, "time": None},
    ]
    columns = {"path": "file", "label": "species"}
    lines = ["file;species;split;group;time", "a/1.jpg;x;Training;g1;2024-05-01T10:00:00", "a/2.jpg;y;test;;"]
    expected, _ = read(csv_of(tmp_path, *lines), **columns)
    assert [(row.split, row.group, row.time) for row in expected.values()] == [
        ("train", "g1", "2024-05-01T10:00:00"),
        ("test", None, None),
    ]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "labels.parquet")
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, records)))
    for name in ("labels.parquet", "labels.jsonl"):
        assert read(str(tmp_path / name), **columns)[0] == expected
    result = {"type": "choices", "to_name": "image", "value": {"choices": ["x"]}}
    task = {"data": {"image": "/data/local-files/?d=a/1.jpg"}, "annotations": [{"result": [result]}]}
    (tmp_path / "studio.json").write_text(json.dumps([task]))
    rows, _ = read(str(tmp_path / "studio.json"))
    assert {path: row.label for path, row in rows.items()} == {"a/1.jpg": "x"}


def coco(*categories_of_image: tuple[int, ...]) -> dict[str, Any]:
    """Annotations of the images 1.jpg and so on in the folder a, by the numbers of their categories."""
    return {
        "info": {"year": 2026, "version": "1.0"},
        "licenses": [],
        "images": [
            {"id": 10 + number, "file_name": f"a/{number}.jpg", "width": 640, "height": 480}
            for number in range(1, len(categories_of_image) + 1)
        ],
        "annotations": [
            {"id": 100 * number + place, "image_id": 10 + number, "category_id": category}
            | {"bbox": [1.0, 2.0, 30.0, 40.0], "area": 1200.0, "iscrowd": 0, "segmentation": []}
            for number, categories in enumerate(categories_of_image, 1)
            for place, category in enumerate(categories)
        ],
        "categories": [
            {"id": 1, "name": "x", "supercategory": "letter"},
            {"id": 7, "name": "y", "supercategory": "letter"},
        ],
    }


def test_coco_annotations_label_images_of_one_category_and_several_are_refused_in_one_line(tmp_path: Path):
    place = tmp_path / "instances.json"
    place.write_text(json.dumps(coco((1, 1, 1), (7,))))
    rows, _ = read(str(place))
    assert {path: row.label for path, row in rows.items()} == {"a/1.jpg": "x", "a/2.jpg": "y"}
    place.write_text(json.dumps(coco((1,), ())))
    _, problems = read(str(place))
    assert problems[NO_LABEL] == ["a/2.jpg"]
    place.write_text(json.dumps(coco((1, 7), (1,), (7, 1))))
    with pytest.raises(InputError, match=r"several in 2 of 3 images, such as 'a/1.jpg' \(x, y\)") as refusal:
        read(str(place))
    assert "\n" not in str(refusal.value)
    nameless = coco((1,), (7,))
    del nameless["images"][1]["file_name"]
    place.write_text(json.dumps(nameless))
    with pytest.raises(InputError, match="an image, a category or an annotation has no 'file_name'"):
        read(str(place))
    place.write_text(json.dumps(coco((1,), (8,))))
    with pytest.raises(InputError, match="no category 8"):
        read(str(place))


def test_what_cannot_be_used_is_counted_and_listed_by_kind(tmp_path: Path):
    lines = ["path,label,split,time", "a/1.jpg,x,,", "a/1.jpg,x,,", "gone.jpg,x,,", "a/2.jpg,,,"]
    lines += ["b/1.jpg,y,holdout,", "4.jpg,y,test,yesterday"]
    rows, problems = read(csv_of(tmp_path, *lines))
    assert problems == {
        DOUBLED: ["a/1.jpg"],
        NO_FILE: ["gone.jpg"],
        NO_LABEL: ["a/2.jpg"],
        NO_SPLIT: ["holdout of b/1.jpg"],
        NO_TIME: ["yesterday of 4.jpg"],
        NO_ROW: ["a/2.jpg", "b/3.png"],
    }
    assert set(rows) == {"a/1.jpg", "4.jpg"}


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (
            ["path,label", "a/1.jpg,x", "a/2.jpg,x", "a/1.jpg,y"],
            r'contradict itself. Received {"label": "x", "split": "train"} in row 1 and .* in row 3',
        ),
        (["path,label,split", "a/1.jpg,x,train", "/photos/a/1.jpg,x,test"], "contradict itself"),
        (["path,species", "a/1.jpg,x"], "Received no label but path, species"),
        (["path,label", "a/1.jpg,../x"], "A class must be a plain name"),
    ],
)
def test_what_contradicts_itself_or_says_too_little_is_refused_in_one_line(
    tmp_path: Path, lines: list[str], complaint: str
):
    with pytest.raises(InputError, match=complaint) as refusal:
        read(csv_of(tmp_path, *lines))
    assert "\n" not in str(refusal.value)


def test_the_file_overrules_the_folders_and_one_line_says_so(tmp_path: Path, caplog):
    place = folder(tmp_path / "in", *(f"{split}/a/{n}.jpg" for split in ("train", "test") for n in range(3)))
    lines = [f"{split}/a/{n},{'xy'[n % 2]}" for split in ("train", "test") for n in range(3)]
    url = csv_of(tmp_path, "id,label", *lines[:-1])
    with caplog.at_level(logging.INFO, "darkroom"):
        manifest = list_images.fn(place, str(tmp_path / "store"), 32, 0.1, data=Data(labels=url))
    assert manifest.classes == ("x", "y")
    assert (
        f"5 train of 2 classes (x, y) by {url}; left out: 1 files without a label (test/a/2.jpg)"
        in caplog.text
    )
    assert "no test split: 20% of the images are drawn for it" in caplog.text
    problems = storage.read_json(storage.label_problems_url(manifest.dataset_url))
    assert problems == {NO_ROW: ["test/a/2.jpg"]}


def test_what_the_file_says_counts_in_the_datasets_identity(tmp_path: Path):
    place, store = folder(tmp_path / "in", "1.jpg", "2.jpg", "3.jpg"), str(tmp_path / "store")

    def fingerprint(*lines: str, **options: Any) -> str:
        data = Data(labels=csv_of(tmp_path, "path,label,group", *lines), **options)
        return list_images.fn(place, store, 32, 0.1, data=data).fingerprint

    usual = fingerprint("1.jpg,x,", "2.jpg,y,", "3.jpg,x,")
    assert fingerprint("3.jpg,x,", "1.jpg,x,", "2.jpg,y,") == usual
    others = [
        fingerprint("1.jpg,x,", "2.jpg,y,", "3.jpg,y,"),
        fingerprint("1.jpg,x,a", "2.jpg,y,", "3.jpg,x,"),
        fingerprint("1.jpg,x,", "2.jpg,y,", "3.jpg,x,", test_share=0.3),
    ]
    assert len({usual, *others}) == 4


def test_a_column_groups_and_its_groups_are_never_torn(flat: Path, store: str):
    lines = [
        f"{file.relative_to(flat)},{file.parent.name},{int(file.stem) % 7}" for file in flat.rglob("*.jpg")
    ]
    url = csv_of(flat.parent, "path,label,site", *lines)
    dataset = dataset_of(flat, store, Data(labels=url, group_by="site"))
    sides: dict[str, set[str]] = {}
    for row in rows_of(dataset):
        sides.setdefault(row["scene"], set()).add(row["split"])
    assert len(sides) == 7
    assert all(len(splits) == 1 for splits in sides.values())
    assert set.union(*sides.values()) == {"train", "val", "test"}


def test_columns_without_a_file_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="path=file,label=species"):
        Data(labels="labels.csv", labels_columns="species")
    with pytest.raises(ValueError, match="give `labels` too"):
        Data(labels_columns="path=file")
    with pytest.raises(InputError, match="where there is none"):
        label_images(folder(tmp_path / "in", "1.jpg"), Data(labels=str(tmp_path / "gone.csv")))
