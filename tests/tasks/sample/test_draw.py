"""The sample is the same every time, lies where a dataset should, and is odd exactly where it says."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from tasks.errors import InputError
from tasks.sample.draw import CLASSES, Sample, draw_sample


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    draw_sample(str(folder), images_per_class=5)
    return folder


@pytest.fixture(scope="module")
def awkward(root: Path) -> dict[str, list[Path]]:
    paths: dict[str, list[Path]] = {}
    for row in json.loads((root / "awkward.json").read_text()):
        paths.setdefault(row["what"], []).append(root / row["path"])
    return paths


def test_every_split_has_its_folders_and_counts(root: Path, tmp_path: Path):
    sample = draw_sample(str(tmp_path), images_per_class=10)
    assert sample == Sample(str(tmp_path), train=6 * 8 + 5, test=6 * 2 + 1, unlabelled=6 + 1)
    for split, count in (("seg_train", 4), ("seg_test", 1)):
        folders = sorted((root / split / split).iterdir())
        assert [folder.name for folder in folders] == CLASSES
        assert all(len(list(folder.glob("*_0*.jpg"))) == count for folder in folders)
    with Image.open(root / "seg_train/seg_train/sea/sea_0003.jpg") as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (150, 150))


def test_a_larger_sample_keeps_every_picture_of_a_smaller_one(root: Path, tmp_path: Path):
    draw_sample(str(tmp_path), images_per_class=7)
    assert contents(root).items() <= contents(tmp_path).items()


def test_another_seed_draws_other_pictures(root: Path, tmp_path: Path):
    draw_sample(str(tmp_path), images_per_class=5, seed=1)
    first, second = contents(root), contents(tmp_path)
    assert first.keys() == second.keys()
    assert [path for path in first if first[path] == second[path]] == ["awkward.json"]


def test_duplicates_are_the_same_bytes_in_train_and_test(awkward: dict[str, list[Path]]):
    train, test = awkward["exact duplicate across train and test"]
    assert train.read_bytes() == test.read_bytes()
    assert "seg_train" in train.parts and "seg_test" in test.parts


def test_truncated_files_cannot_be_read_to_the_end(awkward: dict[str, list[Path]]):
    assert {path.parts[-2] for path in awkward["truncated JPEG"]} == {"glacier", "seg_pred"}
    for path in awkward["truncated JPEG"]:
        with Image.open(path) as picture, pytest.raises(OSError, match="truncated") as error:
            picture.load()
        assert not isinstance(error.value, UnidentifiedImageError)


def test_odd_formats_are_what_they_are_called(awkward: dict[str, list[Path]]):
    facts = {}
    for what in ("PNG with alpha, named .jpg", "grey JPEG", "40x300 JPEG"):
        with Image.open(awkward[what][0]) as picture:
            facts[what] = (picture.format, picture.mode, picture.size)
    assert facts == {
        "PNG with alpha, named .jpg": ("PNG", "RGBA", (150, 150)),
        "grey JPEG": ("JPEG", "L", (150, 150)),
        "40x300 JPEG": ("JPEG", "RGB", (40, 300)),
    }


def test_the_rotated_picture_is_upright_once_its_tag_is_obeyed(awkward: dict[str, list[Path]]):
    with Image.open(awkward["JPEG rotated by EXIF"][0]) as stored:
        assert stored.size == (110, 150)
        upright = np.asarray(ImageOps.exif_transpose(stored), float)
    assert upright.shape == (110, 150, 3)
    assert upright[:20].mean() > upright[-20:].mean()


def test_an_earlier_sample_is_redrawn_in_place(root: Path, tmp_path: Path):
    draw_sample(str(tmp_path), images_per_class=6, seed=3)
    (tmp_path / "notes.txt").write_text("mine")
    draw_sample(str(tmp_path), images_per_class=5)
    assert contents(tmp_path) == contents(root) | {"notes.txt": b"mine"}


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(InputError, match=r"Received: '.+'\. Name another folder"):
        draw_sample(str(tmp_path))
    assert contents(tmp_path) == {"holiday.jpg": b"precious"}


def test_too_few_images_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"`images_per_class` must be 5 or more\. Received: 3\."):
        draw_sample(str(tmp_path / "new"), images_per_class=3)
    assert not (tmp_path / "new").exists()
