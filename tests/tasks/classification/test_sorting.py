"""Sorting touches only what it put into the folder, and only while that is what it was."""

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from tasks import storage
from tasks.classification.job import plan_job
from tasks.classification.sorting import open_sorting
from tasks.errors import InputError
from tasks.parameters import Classification
from tests.tasks.classification.sorted_folders import MODEL, NAMES, other_model, sort, sort_all, tree


@pytest.mark.parametrize("method", ["copy_into", "symlink_into"])
@pytest.mark.parametrize(
    "change",
    [{"model": other_model()}, {"format": "csv"}, {"min_confidence": 0.5}],
    ids=["model", "format", "unsure"],
)
def test_what_a_person_did_stays_and_only_ours_is_moved(
    images: Path, tmp_path: Path, method: str, change: dict
):
    target = tmp_path / "sorted"
    sort(images, {}, **{method: str(target)})
    assert tree(target) == [f"a/{name}" for name in NAMES]
    (target / "a/own.jpg").write_bytes(b"added")
    (target / "b").mkdir()
    (target / "a/1.jpg").rename(target / "b/1.jpg")
    (target / "a/2.jpg").unlink()
    (target / "a/2.jpg").write_bytes(b"picture 2.JPG")
    (target / "a/3.jpg").unlink()

    labels = dict.fromkeys(NAMES, "b")
    for _ in range(2):
        assert sort(images, labels, **change, **{method: str(target)}) == []
        assert tree(target) == ["a/2.jpg", "a/own.jpg", "b/0.jpg", "b/1.jpg", "b/4.jpg", "b/5.jpg"]
        assert (target / "a/2.jpg").read_bytes() == b"picture 2.JPG"
    assert sorted(path.name for path in images.iterdir()) == NAMES


def test_copies_of_files_that_left_the_inbox_stay_and_are_known_on_return(images: Path, tmp_path: Path):
    target, away = tmp_path / "sorted", tmp_path / "away"
    sort(images, {}, copy_into=str(target))
    shutil.move(images / "0.jpg", away)
    sort(images, {}, copy_into=str(target))
    assert tree(target) == [f"a/{name}" for name in NAMES]
    shutil.move(away, images / "0.jpg")
    sort(images, {"0.jpg": "b"}, copy_into=str(target))
    assert tree(target) == [*(f"a/{name}" for name in NAMES[1:]), "b/0.jpg"]


def test_a_changed_original_replaces_its_copy(images: Path, tmp_path: Path):
    target = tmp_path / "sorted"
    sort(images, {}, copy_into=str(target))
    (images / "0.jpg").write_bytes(b"new")
    sort(images, {}, copy_into=str(target))
    assert (target / "a/0.jpg").read_bytes() == b"new"


def test_a_taken_place_and_a_long_name_stop_nothing_and_are_told(images: Path, tmp_path: Path):
    target, long_name = tmp_path / "sorted", "x" * 251 + ".jpg"
    (images / long_name).write_bytes(b"x")
    (images / "deep").mkdir()
    (images / "deep/7.jpg").write_bytes(b"x")
    job = plan_job.fn(str(images), str(tmp_path / "out"), MODEL, Classification(copy_into=str(target)))
    open_sorting(job)
    (target / "a/0.jpg").mkdir(parents=True)
    (target / "a/1.jpg").write_bytes(b"a person's")
    (target / "a/deep").write_bytes(b"a person's")
    problems = list(sort_all(job, {}))
    assert sorted(problem.split(":")[0] for problem in problems) == ["0.jpg", "1.jpg", "deep/7.jpg"]
    assert (target / "a" / long_name).read_bytes() == b"x"
    assert (target / "a/1.jpg").read_bytes() == (target / "a/deep").read_bytes() == b"a person's"


def test_what_a_killed_run_left_is_finished_by_the_next(images: Path, tmp_path: Path, monkeypatch):
    target = tmp_path / "sorted"
    copied = []

    def copy_some(source: Path, destination: Path) -> None:
        copied.append(source)
        Path(destination).write_bytes(b"half")
        if len(copied) == 3:
            raise KeyboardInterrupt
        shutil.copyfile(source, destination)
        shutil.copystat(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr("tasks.classification.sorting.shutil.copy2", copy_some)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            sort(images, {}, copy_into=str(target))
    assert len(tree(target)) == 2 and list((target / "_sorted").glob("partial-*"))
    sort(images, dict.fromkeys(NAMES, "b"), copy_into=str(target))
    assert tree(target) == [f"b/{name}" for name in NAMES]
    assert not list((target / "_sorted").glob("partial-*"))


def test_a_folder_sorted_by_the_version_before_is_taken_over(images: Path, tmp_path: Path):
    target = tmp_path / "sorted"
    sort(images, {}, copy_into=str(target))
    shutil.rmtree(target / "_sorted")
    record = {
        "output": str(tmp_path / "out"),
        "series": "x",
        "how": "copy",
        "folders": ["a", "b", "../in", "_unsure"],
    }
    storage.write_json(str(target / "_sorted.json"), record)
    (target / "a/own.jpg").write_bytes(b"added")
    (target / "a/1.jpg").write_bytes(b"changed")
    assert len(sort(images, dict.fromkeys(NAMES, "b"), copy_into=str(target))) == 0
    assert tree(target) == ["a/1.jpg", "a/own.jpg", *(f"b/{name}" for name in NAMES)]
    assert sorted(path.name for path in images.iterdir()) == NAMES


@pytest.mark.parametrize("name", ["..", ".", "", "_unsure", "a/b", "_sorted"])
def test_no_class_name_leads_out_of_the_folder(images: Path, tmp_path: Path, name: str):
    with pytest.raises(InputError, match="name"):
        sort(images, {}, replace(MODEL, classes=("a", name)), copy_into=str(tmp_path / "sorted"))


def test_names_that_are_not_utf8_are_sorted_under_their_own_name(images: Path, tmp_path: Path):
    name = os.fsdecode(b"caf\xe9.jpg")
    (images / name).write_bytes(b"x")
    assert sort(images, {}, copy_into=str(tmp_path / "sorted")) == []
    assert (tmp_path / "sorted/a" / name).read_bytes() == b"x"


@pytest.mark.parametrize("planted", ["a", "_sorted"])
def test_a_link_in_place_of_a_folder_leads_to_no_foreign_file(images: Path, tmp_path: Path, planted: str):
    target, foreign = tmp_path / "sorted", tmp_path / "foreign"
    sort(images, {}, copy_into=str(target))
    shutil.copytree(target / "a", foreign)
    shutil.rmtree(target / planted)
    (target / planted).symlink_to(foreign)
    try:
        sort(images, dict.fromkeys(NAMES, "b"), other_model(), copy_into=str(target))
    except InputError as error:
        assert "must hold no links" in str(error)
    assert tree(foreign) == NAMES


@pytest.mark.parametrize(
    "planted", [{"plan": "../../foreign"}, {"plan": "", "folders": ["../foreign", ".."]}]
)
def test_the_record_of_a_folder_leads_to_no_foreign_file(images: Path, tmp_path: Path, planted: dict):
    target, foreign = tmp_path / "sorted", tmp_path / "foreign"
    sort(images, {}, copy_into=str(target))
    shutil.copytree(target / "a", foreign)
    for ledger in (target / "_sorted").glob("*/*.parquet"):
        shutil.copy(ledger, foreign / ledger.name)
    before = tree(foreign)
    record = storage.read_json(str(target / "_sorted.json"))
    storage.write_json(str(target / "_sorted.json"), record | planted)
    with suppress(InputError):
        sort(images, dict.fromkeys(NAMES, "b"), other_model(), copy_into=str(target))
    assert tree(foreign) == before


@pytest.mark.parametrize("row", [{"path": "../../foreign/0.jpg"}, {"folder": ".."}, {"path": None}, {"x": 1}])
def test_a_ledger_with_other_rows_harms_nothing_and_ends_in_one_line_if_at_all(
    images: Path, tmp_path: Path, row: dict
):
    target, foreign = tmp_path / "sorted", tmp_path / "foreign"
    sort(images, {}, copy_into=str(target))
    [ledger] = (target / "_sorted").glob("*/part-*.parquet")
    rows = [placed | row for placed in storage.read_table(str(ledger)).to_pylist()]
    storage.write_table(str(ledger), pa.Table.from_pylist(rows))
    shutil.copytree(target / "a", foreign)
    with suppress(InputError):
        sort(images, dict.fromkeys(NAMES, "b"), other_model(), copy_into=str(target))
    assert tree(foreign) == NAMES
