"""What a bulk classification does again, and what it keeps, when its folder has changed."""

import io
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import storage
from tasks.classification.job import (
    Job,
    locate,
    partition_bounds,
    partitions,
    parts_of,
    path_filter,
    plan_job,
)
from tasks.errors import InputError
from tasks.networks.version import ModelVersion
from tasks.parameters import Classification

MODEL = ModelVersion("v1", "cnn", "", "sha", ("a", "b"), 32, 1.0)


def folder(root: Path, names: list[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"image")
    return root


def plan(images: Path, output: Path, options: Classification | None = None) -> Job:
    return plan_job.fn(str(images), str(output), MODEL, options or Classification())


def contents(job: Job) -> dict[int, list[str]]:
    """The paths of each part by its number."""
    parts = [part for partition in partitions(job) for part in parts_of(partition)]
    return {part.number: [file.path for file in part.files] for part in parts}


def test_files_are_cut_into_parts_in_path_order(tmp_path: Path):
    names = [f"{number:04d}.jpg" for number in range(1100)] + ["a/1.jpg", "a-b/1.jpg", "a.jpg"]
    parts = contents(plan(folder(tmp_path / "in", names), tmp_path / "out"))
    assert [len(paths) for paths in parts.values()] == [256, 256, 256, 256, 79]
    assert [path for paths in parts.values() for path in paths] == sorted(names)


@pytest.mark.parametrize(
    ("parts", "concurrency", "first", "last"),
    [(1, 64, 1, 1), (43, 2, 16, 1), (245, 2, 16, 1), (260, 128, 2, 1), (2442, 2, 20, 1), (2442, 999, 2, 1)],
)
def test_partitions_hold_every_part_once_and_become_shorter(
    parts: int, concurrency: int, first: int, last: int
):
    bounds = partition_bounds(parts, concurrency)
    lengths = [end - start for start, end in pairwise(bounds)]
    assert (bounds[0], bounds[-1]) == (0, parts)
    assert len(lengths) <= max(256, 2 * concurrency)
    assert lengths == sorted(lengths, reverse=True)
    assert (lengths[0], lengths[-1]) == (first, last)


def test_a_large_cluster_has_work_for_all_and_no_task_more_files_than_fit_its_memory():
    for parts, concurrency in ((50_000, 1600), (500_000, 8), (500_000, 1600)):
        lengths = [end - start for start, end in pairwise(partition_bounds(parts, concurrency))]
        assert sum(lengths) == parts
        assert len(lengths) > concurrency
        assert max(lengths) <= 512  # a million files


def test_new_files_are_those_that_no_finished_job_had_however_often_it_was_killed(tmp_path: Path):
    images, output = folder(tmp_path / "in", ["a.jpg", "b.jpg"]), tmp_path / "out"

    def finish(job: Job) -> None:
        storage.write_json(storage.success_url(str(output)), {"plan": job.plan.key})

    def new_files(job: Job) -> list[str]:
        parts = [part for partition in partitions(job) for part in parts_of(partition)]
        return [file.path for part in parts if part.number >= job.plan.first_new for file in part.files]

    first = plan(images, output)
    assert new_files(first) == ["a.jpg", "b.jpg"]
    finish(first)
    folder(images, ["c.jpg"])
    assert new_files(plan(images, output)) == ["c.jpg"]
    folder(images, ["d.jpg"])  # that night was killed
    finish(first)  # before it had removed the marker of the night before
    both = plan(images, output)
    assert new_files(both) == ["c.jpg", "d.jpg"]
    finish(both)
    assert new_files(plan(images, output)) == []


def test_a_growing_folder_keeps_its_parts_and_new_files_form_others(tmp_path: Path):
    images = folder(tmp_path / "in", [f"{number:04d}.jpg" for number in range(0, 1000, 2)])
    before = plan(images, tmp_path / "out")
    first = contents(before)
    folder(images, ["0001.jpg", "0003.jpg"])
    os.utime(images / "0000.jpg", (1, 1))
    (images / "0002.jpg").unlink()
    after = plan(images, tmp_path / "out")
    second = contents(after)
    assert after.plan.series == before.plan.series
    assert second[0] == [path for path in first[0] if path not in ("0000.jpg", "0002.jpg")]
    assert second[1] == first[1]
    assert second[2] == ["0000.jpg", "0001.jpg", "0003.jpg"]


def test_a_part_number_is_never_used_twice(tmp_path: Path):
    images = folder(tmp_path / "in", ["1.jpg", "2.jpg"])
    plan(images, tmp_path / "out")
    folder(images, ["3.jpg"])
    assert contents(plan(images, tmp_path / "out"))[1] == ["3.jpg"]
    (images / "3.jpg").unlink()
    plan(images, tmp_path / "out")
    folder(images, ["3.jpg"])
    assert contents(plan(images, tmp_path / "out")) == {0: ["1.jpg", "2.jpg"], 2: ["3.jpg"]}


def test_other_options_begin_another_series(tmp_path: Path):
    images = folder(tmp_path / "in", ["1.jpg"])
    series = {
        plan(images, tmp_path / "out", Classification(min_confidence=share)).plan.series
        for share in (0.0, 0.5)
    }
    assert len(series) == 2


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), ["a/1.jpg", "a/2.png", "b/3.jpg"]),
        (("*.JPG",), (), ["a/1.jpg", "b/3.jpg"]),
        (("*.jpg", "*.png"), ("b/*",), ["a/1.jpg", "a/2.png"]),
    ],
)
def test_globs_choose_files(include: tuple, exclude: tuple, expected: list[str]):
    is_included = path_filter(Classification(include=include, exclude=exclude))
    assert [path for path in ("a/1.jpg", "a/2.png", "b/3.jpg") if is_included(path)] == expected


def test_globs_that_choose_nothing_are_refused(tmp_path: Path):
    images = folder(tmp_path / "in", ["1.jpg"])
    with pytest.raises(InputError, match="`include` and `exclude`"):
        plan(images, tmp_path / "out", Classification(include=("*.png",)))


@pytest.mark.parametrize(("images", "output"), [("in", "in/out"), ("out/in", "out"), ("in", "in")])
def test_images_and_output_lie_apart(tmp_path: Path, images: str, output: str):
    with pytest.raises(InputError, match="inside each other"):
        locate(str(tmp_path / images), str(tmp_path / output), Classification())


def test_a_folder_of_something_else_is_never_taken_for_an_output(tmp_path: Path):
    images = folder(tmp_path / "in", ["1.jpg"])
    for number, name in enumerate(
        ["part-00000.parquet", "report.html", "_manifest.parquet", "_done/part-1.json"]
    ):
        output = folder(tmp_path / f"out-{number}", [name])
        with pytest.raises(InputError, match="new or empty folder"):
            locate(str(images), str(output), Classification())
        assert (output / name).read_bytes() == b"image"
    with pytest.raises(InputError, match="can be written"):
        locate(str(images), str(tmp_path / "out-0/part-00000.parquet/out"), Classification())
    output = tmp_path / "own"
    plan(images, output)
    locate(str(images), str(output), Classification())


def test_other_images_take_an_output_over_only_when_told(tmp_path: Path):
    first, second = (folder(tmp_path / name, ["1.jpg"]) for name in ("first", "second"))
    plan(first, tmp_path / "out")
    with pytest.raises(InputError, match=r"holds 1 rows of .*first.*`replace`"):
        plan(second, tmp_path / "out")
    plan(second, tmp_path / "out", Classification(replace=True))
    with pytest.raises(InputError, match="`replace`"):
        plan(first, tmp_path / "out")


def test_an_inbox_that_has_vanished_drops_no_rows_unless_told(tmp_path: Path, caplog):
    images = folder(tmp_path / "in", [f"{number}.jpg" for number in range(8)])
    plan(images, tmp_path / "out")
    for number in range(4):
        (images / f"{number}.jpg").unlink()
    plan(images, tmp_path / "out")
    assert "4 of 8 rows are dropped" in caplog.text

    for number in range(5, 8):
        (images / f"{number}.jpg").unlink()
    other_model = replace(MODEL, sha256="other")
    for model in (MODEL, other_model):
        with pytest.raises(InputError, match=r"Received 3 of 4 .*mounted.*`max_vanished_share` 1"):
            plan_job.fn(str(images), str(tmp_path / "out"), model, Classification())
    assert plan(images, tmp_path / "out", Classification(max_vanished_share=1.0)).plan.files == 1


def test_files_that_options_or_rules_leave_out_have_not_vanished(tmp_path: Path):
    images = folder(tmp_path / "in", ["1.jpg", "2.jpg", "3.png", "4.png"])
    plan(images, tmp_path / "out")
    assert plan(images, tmp_path / "out", Classification(include=("1.jpg",))).plan.files == 1


def test_each_folder_can_have_an_output_named_after_it(tmp_path):
    images = tmp_path / "2026-11"
    _, output, _ = locate(str(images), str(tmp_path / "folders" / "{images}"), Classification())
    assert output == str(tmp_path / "folders" / "2026-11")


LISTS = {
    "list.txt": "b/2.jpg\n\n./a 1.jpg\r\ngone.jpg\nb/2.jpg\n{root}/.hidden.jpg\n",
    "list.csv": 'path,label\n"b/2.jpg",x\n"a 1.jpg",y\ngone.jpg,\n.hidden.jpg,\n',
    "list.json": '["b/2.jpg", "a 1.jpg", {{"path": "gone.jpg"}}, ".hidden.jpg"]',
    "list.jsonl": "\n".join(
        f'{{{{"path": "{path}"}}}}' for path in ("b/2.jpg", "a 1.jpg", "gone.jpg", ".hidden.jpg")
    ),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("standard_input", [False, True])
def test_exactly_the_files_of_a_list_are_planned(
    tmp_path: Path, name: str, standard_input: bool, monkeypatch: pytest.MonkeyPatch
):
    images = folder(tmp_path / "in", ["a 1.jpg", "b/2.jpg", "c.jpg", ".hidden.jpg"])
    text = LISTS[name].format(root=images)
    (tmp_path / name).write_text(text)
    if standard_input and name == "list.csv":
        text = "\n".join(line.split(",")[0].strip('"') for line in text.splitlines()[1:])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    options = Classification(files="-" if standard_input else str(tmp_path / name))
    [paths] = contents(plan(images, tmp_path / "out", options)).values()
    assert paths == [".hidden.jpg", "a 1.jpg", "b/2.jpg", "gone.jpg"]


def test_what_classify_wrote_is_a_list_of_files(tmp_path: Path):
    images = folder(tmp_path / "in", ["a.jpg", "b.jpg", "c.jpg"])
    pq.write_table(pa.table({"path": ["c.jpg", "a.jpg"], "status": ["unsure"] * 2}), tmp_path / "l.parquet")
    options = Classification(files=str(tmp_path / "l.parquet"))
    assert contents(plan(images, tmp_path / "out", options)) == {0: ["a.jpg", "c.jpg"]}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "without any"),
        ("../secret.jpg", "must lie below"),
        ("/etc/passwd", "must lie below"),
        ("s3://elsewhere/1.jpg", "must lie below"),
        ("[1, 2]", "no path in 1"),
        ('["a', "a path a line"),
        ('{"name": "a.jpg"}', "no path in"),
    ],
)
def test_a_list_that_names_nothing_here_is_refused(tmp_path: Path, text: str, complaint: str):
    images = folder(tmp_path / "in", ["a.jpg"])
    (tmp_path / "list").write_text(text)
    with pytest.raises(InputError, match=complaint):
        plan(images, tmp_path / "out", Classification(files=str(tmp_path / "list")))
    with pytest.raises(InputError, match="can be read"):
        plan(images, tmp_path / "out", Classification(files=str(tmp_path / "gone")))
