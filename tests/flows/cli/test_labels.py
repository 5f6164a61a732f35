"""Labels come from files and go into files, all of a file at once; a person can list and undo them."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli.main import run
from tasks import storage
from tasks.corrections import current_corrections, read_answers
from tasks.process import person
from tests.tasks.dataset.test_corrections import sha256_of
from tests.tasks.dataset.test_parts import decode_all

SEA = "seg_train/seg_train/sea"


@pytest.fixture
def images(sample: Path, tmp_path: Path, store: str) -> Path:
    """A folder that the store has a dataset of."""
    folder = Path(shutil.copytree(sample, tmp_path / "images"))
    decode_all(folder, store)
    return folder


@pytest.fixture
def sea(images: Path) -> list[str]:
    return sorted(str(path.relative_to(images)) for path in (images / SEA).iterdir())


def labels_of(store: str) -> dict[str, str | None]:
    return {sha256: answer.label for sha256, answer in current_corrections(read_answers(store)).items()}


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_labels_by_path_and_by_hash_are_imported(
    ending: str, images: Path, sea: list[str], store: str, tmp_path: Path, capsys
):
    by_hash = sha256_of(images / sea[1])
    rows = [
        {"path": sea[0], "sha256": None, "label": "street", "who": "bob"},
        {"path": None, "sha256": by_hash, "label": "forest", "who": None},
        {"path": "nowhere.jpg", "sha256": None, "label": "street", "who": None},
        {"path": sea[2], "sha256": None, "label": None, "who": None},
        {"path": "sea/" + sea[3].rpartition("/")[2], "sha256": None, "label": "street", "who": None},
    ]
    file = tmp_path / f"labels.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif ending == "jsonl":
        file.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        lines = [",".join(rows[0])] + [",".join(value or "" for value in row.values()) for row in rows]
        file.write_text("\n".join(lines), encoding="utf-8-sig")
    assert run(["labels", "import", str(file), "--store", store]) == 0
    told = capsys.readouterr().out
    assert labels_of(store) == {
        sha256_of(images / sea[0]): "street",
        by_hash: "forest",
        sha256_of(images / sea[3]): "street",
    }
    assert read_answers(store)[0].who == "bob"
    assert read_answers(store)[0].author == read_answers(store)[1].who == person()
    assert "row 3" in told and "'nowhere.jpg'" in told
    assert "Rows that are of no use: 1" in told
    assert "Rows without a label: 1" in told
    assert "3 labels recorded, 0 known before" in told
    assert run(["labels", "import", str(file), "--store", store]) == 0
    assert "0 labels recorded, 3 known before" in capsys.readouterr().out


def test_a_file_that_contradicts_itself_is_refused_in_one_line_and_nothing_imported(
    sea: list[str], store: str, tmp_path: Path, capsys
):
    file = tmp_path / "labels.csv"
    file.write_text(f"path,label\n{sea[1]},street\n{sea[0]},street\n{sea[0]},forest\n")
    assert run(["labels", "import", str(file), "--store", store]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "street in row 2 and forest in row 3" in line and sea[0] in line
    assert labels_of(store) == {}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("labels.csv", "path,class\na,b\n", "a column `label`"),
        ("labels.txt", "path,label\na,b\n", ".csv, .parquet"),
        ("labels.parquet", "no Parquet", "whole parquet"),
        ("labels.jsonl", '{"path": "a"', "whole jsonl"),
        ("labels.json", '{"path": "a"}', "must be an object"),
        ("labels.json", '[{"annotations": [{"result": 3}]}]', "whole json"),
        ("labels.json", '[{"annotations": [{"result": [{"type": "choices"}]}]}]', "whole json"),
        ("labels.csv", "path,label\nnowhere,sea\n", "no dataset of the store"),
        ("labels.csv", "sha256,label\n../x,sea\n", "64 hex digits"),
        (None, "", "none"),
    ],
)
def test_a_file_of_no_use_is_refused_in_one_line(
    name: str | None, content: str, complaint: str, store: str, tmp_path: Path, capsys
):
    file = tmp_path / (name or "missing.csv")
    if name:
        file.write_text(content)
    assert run(["labels", "import", str(file), "--store", store]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert complaint in line
    assert labels_of(store) == {}


def test_a_table_that_a_spreadsheet_wrote_in_another_language_is_read(
    images: Path, sea: list[str], store: str, tmp_path: Path
):
    file = tmp_path / "labels.csv"
    file.write_bytes(f"path;given;label\r\n{sea[0]};sea; street \r\n{sea[1]};sea;\r\n".encode("utf-8-sig"))
    assert run(["labels", "import", str(file), "--store", store]) == 0
    assert labels_of(store) == {sha256_of(images / sea[0]): "street"}


def annotation(choice: str, **more: object) -> dict:
    result = {
        "id": "x1",
        "type": "choices",
        "from_name": "choice",
        "to_name": "image",
        "origin": "manual",
        "value": {"choices": [choice]},
    }
    return {
        "id": 1,
        "completed_by": {"id": 7, "email": "eva@example.org"},
        "result": [result],
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-01-02T03:04:05.000000Z",
        "updated_at": "2026-01-02T03:04:05.000000Z",
        "lead_time": 3.1,
    } | more


def test_label_studios_export_of_a_choices_project_is_understood(
    images: Path, sea: list[str], store: str, tmp_path: Path, capsys
):
    sea = sea[::-1]  # the last of them have names that no other image has
    names = [path.rpartition("/")[2] for path in sea]
    addresses = [
        f"/data/upload/3/0a1b2c3d-{names[0]}",
        f"/data/local-files/?d=photos/{sea[1]}",
        f"s3://bucket/photos/{sea[2]}",
        f"/data/upload/3/0a1b2c3d-{names[3]}",
    ]
    annotations = [
        [annotation("street")],
        [annotation("forest", completed_by=3)],
        [annotation("street")],
        [annotation("street", was_cancelled=True)],
    ]
    tasks = [
        {
            "id": 40 + number,
            "data": {"image": address},
            "annotations": answers,
            "predictions": [],
            "project": 3,
        }
        for number, (address, answers) in enumerate(zip(addresses, annotations, strict=True))
    ]
    file = tmp_path / "project-3.json"
    file.write_text(json.dumps(tasks))
    assert run(["labels", "import", str(file), "--store", store]) == 0
    expected = {sea[0]: "street", sea[1]: "forest", sea[2]: "street"}
    assert labels_of(store) == {sha256_of(images / path): label for path, label in expected.items()}
    assert [answer.who for answer in read_answers(store)] == ["eva@example.org", "3", "eva@example.org"]

    tasks[0]["annotations"].append(annotation("glacier"))
    tasks[0] |= {"data": {"note": sea[4], "photo": tasks[0]["data"]["image"]}}
    for given in tasks[0]["annotations"]:
        given["result"][0]["source"] = "$photo"
    file.write_text(json.dumps(tasks))
    assert run(["labels", "import", str(file), "--store", store]) == 2
    assert "street in task 40 and glacier in task 40" in capsys.readouterr().err


def test_a_file_that_no_dataset_knows_is_kept_so_that_it_joins_training(
    images: Path, store: str, tmp_path: Path
):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    picture = shutil.copy(next((images / "seg_pred/seg_pred").iterdir()), inbox / "new.jpg")
    (tmp_path / "labels.csv").write_text(f"path,label\n{picture},sea\n")
    assert run(["labels", "import", str(tmp_path / "labels.csv"), "--store", store]) == 0
    assert storage.names(storage.kept_images_url(store)) == [f"{sha256_of(picture)}.jpg"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "json"])
def test_what_is_exported_can_be_imported_elsewhere(
    ending: str, images: Path, sea: list[str], store: str, tmp_path: Path
):
    (tmp_path / "labels.csv").write_text(
        f"path,label,decision\n{sea[0]},street,\n{sea[1]},'=1+1,label\n{sea[2]},,drop\n"
    )
    assert run(["labels", "import", str(tmp_path / "labels.csv"), "--store", store]) == 0
    exported = str(tmp_path / f"exported.{ending}")
    assert run(["labels", "export", exported, "--store", store]) == 0
    assert run(["labels", "import", exported, "--store", str(tmp_path / "other")]) == 0
    assert labels_of(str(tmp_path / "other")) == labels_of(store)
    assert sorted(map(str, labels_of(store).values())) == ["=1+1", "None", "street"]


def test_undo_takes_back_the_last_import_whole_or_one_answer(
    images: Path, sea: list[str], store: str, tmp_path: Path, capsys
):
    for number, rows in enumerate([sea[:1], sea[:3]]):
        file = tmp_path / f"{number}.csv"
        file.write_text(
            "path,label\n" + "".join(f"{path},{'street' if number else 'forest'}\n" for path in rows)
        )
        assert run(["labels", "import", str(file), "--store", store]) == 0
    assert len(labels_of(store)) == 3
    second = sha256_of(images / sea[1])
    assert run(["labels", "undo", "--sha256", second, "--store", store]) == 0
    assert second not in labels_of(store)
    assert run(["labels", "undo", "--store", store]) == 0
    assert "and 1 more" in capsys.readouterr().out
    assert labels_of(store) == {sha256_of(images / sea[0]): "forest"}
    assert run(["labels", "list", "--store", store]) == 0
    assert "1 corrections in force" in capsys.readouterr().out
    assert run(["labels", "undo", "--store", store]) == 0
    assert run(["labels", "undo", "--store", store]) == 2
    assert "to take back" in capsys.readouterr().err


def test_a_label_for_what_is_no_picture_is_told_and_not_kept(
    images: Path, sea: list[str], store: str, tmp_path: Path, capsys
):
    page = tmp_path / "page.html"
    page.write_text("<html><script>alert(1)</script>")
    (tmp_path / "labels.csv").write_text(f"path,label\n{page},sea\n{sea[0]},street\n")
    assert run(["labels", "import", str(tmp_path / "labels.csv"), "--store", store]) == 0
    assert "a web page" in capsys.readouterr().out
    assert storage.names(storage.kept_images_url(store)) == []
    assert list(labels_of(store)) == [sha256_of(images / sea[0])]
