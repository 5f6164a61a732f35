"""Labels and splits are read off folders; parts stay what they were when files are added."""

import logging
from pathlib import Path

import pytest

from tasks.dataset.checks import check_trainable
from tasks.dataset.folders import LabelledFile, label_files
from tasks.dataset.manifest import cut_into_parts, list_images, slices
from tasks.errors import InputError
from tasks.storage.listing import FileEntry


@pytest.mark.parametrize(
    ("path", "label", "split"),
    [
        ("sea/1.jpg", "sea", "train"),
        ("sea/2019/june/1.jpg", "sea", "train"),
        ("archive/train/sea/1.jpg", "sea", "train"),
        ("Validation/sea/1.jpg", "sea", "val"),
        ("seg_train/seg_train/sea/1.jpg", "sea", "train"),
        ("archive/seg_test/seg_test/sea/1.jpg", "sea", "test"),
    ],
)
def test_label_and_split_are_read_off_the_folders(path: str, label: str, split: str):
    [row] = label_files([FileEntry(path, 1, "")])
    assert (row.label, row.split) == (label, split)


def test_what_lies_beside_the_split_folders_is_no_class():
    paths = ["train/sea/1.jpg", "test/sea/2.jpg", "docs/figure.png", "seg_pred/seg_pred/3.jpg", "readme.txt"]
    rows = label_files([FileEntry(path, 1, "") for path in paths])
    assert [row.label for row in rows] == ["sea", "sea", None, None, None]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["bus/1.jpg", "car/1.jpg", "train/1.jpg"], ["bus train", "car train", "train train"]),
        (
            ["train/bus/1.jpg", "train/train/1.jpg", "test/bus/1.jpg", "test/train/1.jpg"],
            ["bus train", "train train", "bus test", "train test"],
        ),
        (
            ["train/test/1.jpg", "train/train/1.jpg", "test/test/1.jpg", "test/train/1.jpg"],
            ["test train", "train train", "test test", "train test"],
        ),
        (["train/train/bus/1.jpg", "train/train/train/1.jpg"], ["bus train", "train train"]),
        (["training_set/cat/1.jpg", "Test-Set/dog/1.jpg"], ["cat train", "dog test"]),
        (["train/1.jpg", "test/2.jpg"], ["None ", "None "]),
        (["train/train/1.jpg", "test/test/2.jpg"], ["None train", "None test"]),
        (["train//1.jpg", "train/../1.jpg", "train/sea/1.jpg"], ["None train", "None train", "sea train"]),
    ],
)
def test_a_class_may_be_named_like_a_split_and_a_split_in_other_words(paths: list[str], expected: list[str]):
    rows = label_files([FileEntry(path, 1, "") for path in paths])
    assert [f"{row.label} {row.split}" for row in rows] == expected


def folder(place: Path, *paths: str) -> str:
    for path in paths:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(b"image")
    return str(place)


@pytest.mark.parametrize(
    ("paths", "complaint"),
    [
        ([], "a path that does not exist"),
        (["x/.hidden.jpg"], "an empty folder"),
        (["1.jpg", "2.jpg"], "2 files in no class folder"),
        (["sea/1.jpg"], "only 'sea'"),
        (["sea/1.jpg", "forest/1.jpg"], r"forest \(1 image, needs 2 more\), sea \(1 image, needs 2 more\)"),
        (["train/sea/1.jpg", "test/sea/1.jpg", "test/forest/1.jpg"], r"forest \(no train image\)"),
        (["train/sea/1.jpg", "train/forest/1.jpg", "test/sea/1.jpg"], r"forest \(no test image\)"),
        (["train/sea/1.jpg", "train/fog/1.jpg", "test/sea/1.jpg", "test/fog/1.jpg"], "one of each class"),
    ],
)
def test_a_folder_that_cannot_be_trained_on_is_refused_in_words(
    tmp_path: Path, paths: list[str], complaint: str
):
    with pytest.raises(InputError, match=complaint):
        check_trainable(list_images.fn(folder(tmp_path / "in", *paths), str(tmp_path / "store"), 32, 0.1))


def test_a_store_inside_the_images_is_refused(tmp_path: Path):
    images = folder(tmp_path, "train/sea/1.jpg", "test/forest/1.jpg")
    with pytest.raises(InputError, match="inside"):
        list_images.fn(images, f"{images}/store", 32, 0.1)


def test_a_page_of_something_else_is_not_overwritten_by_a_store(tmp_path: Path):
    images = folder(tmp_path / "in", "train/sea/1.jpg", "test/forest/1.jpg")
    with pytest.raises(InputError, match=r"another index\.html"):
        list_images.fn(images, folder(tmp_path / "site", "index.html"), 32, 0.1)


def rows(names: range, mark: str = "") -> list[LabelledFile]:
    return label_files([FileEntry(f"sea/{number:06d}.jpg", 1, mark) for number in names])


def test_adding_files_leaves_the_parts_there_were():
    old = [[row.file for row in part] for part in cut_into_parts(rows(range(0, 20_000, 2)), lambda _: [])]
    new = cut_into_parts(rows(range(0, 20_000)), lambda _: old)
    assert [[row.file for row in part] for part in new[: len(old)]] == old
    assert sorted(row.file.path for part in new for row in part) == [
        row.file.path for row in rows(range(20_000))
    ]


def test_a_changed_file_costs_only_its_own_part():
    files = rows(range(5_000))
    old = [[row.file for row in part] for part in cut_into_parts(files, lambda _: [])]
    files[3_000] = rows(range(3_000, 3_001), mark="changed")[0]
    new = [[row.file for row in part] for part in cut_into_parts(files, lambda _: old)]
    assert sum(part in old for part in new) == len(old) - 1


def test_there_are_never_more_than_256_parts():
    assert len(slices(range(1_000_000))) == 256
    many_small = [[row.file] for row in rows(range(256))]
    assert len(cut_into_parts(rows(range(300)), lambda _: many_small)) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [("Buildings", "buildings"), ("cat", "cat "), ("caf\u00e9", "cafe\u0301"), ("_unsure", "sea")],
)
def test_classes_that_look_alike_or_take_our_names_are_refused(tmp_path: Path, first: str, second: str):
    images = folder(tmp_path / "in", f"train/{first}/1.jpg", f"test/{second}/1.jpg", "train/other/1.jpg")
    with pytest.raises(InputError, match="Class folders must") as refusal:
        list_images.fn(images, str(tmp_path / "store"), 32, 0.1)
    assert ascii(first) in str(refusal.value)


def test_one_line_says_how_the_folders_were_read_before_work_begins(tmp_path: Path, caplog):
    paths = [
        "train/cat/1.jpg",
        "train/cat/2019/2.jpg",
        "train/dog/1.jpg",
        "test/cat/3.jpg",
        "holdout/cat/4.jpg",
    ]
    litter = ["train/@eaDir/1.jpg", "train/cat/1.jpg.json", "train/cat/Thumbs.db"]
    with caplog.at_level(logging.INFO, "darkroom"):
        list_images.fn(folder(tmp_path / "in", *paths, *litter), str(tmp_path / "store"), 32, 0.1)
    messages = [record.getMessage() for record in caplog.records if record.name == "darkroom"]
    [line] = {message for message in messages if "test, " in message}
    for words in (
        "1 test, 3 train of 2 classes (cat, dog)",
        "no test images of dog",
        "folders in class folders count as that class: cat/2019",
        "left out: 1 files in no class folder (holdout), 3 side-cars and litter",
    ):
        assert words in line


def test_folders_that_may_be_splits_of_unknown_names_are_told(tmp_path: Path, caplog):
    images = folder(tmp_path / "in", *(f"{a}/{b}/1.jpg" for a in ("first", "second") for b in ("cat", "dog")))
    with caplog.at_level(logging.INFO, "darkroom"):
        list_images.fn(images, str(tmp_path / "store"), 32, 0.1)
    assert "first, second hold folders of equal names: are they splits" in caplog.text
