"""A folder of classes alone is divided by itself: for good, with copies together, whole groups if asked."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tasks import storage
from tasks.audit import origin_words, soundness
from tasks.audit.findings import audit_dataset
from tasks.dataset import Dataset, check_splits, check_trainable, commit_dataset, decode_part, plan_parts
from tasks.dataset.groups import file_time, propose_groups
from tasks.dataset.manifest import list_images
from tasks.errors import InputError
from tasks.parameters import Data, Leakage

SIZE = 32


def dataset_of(images: Path, store: str, data: Data = Data(), leakage: Leakage = "exclude") -> Dataset:
    manifest = list_images.fn(str(images), store, SIZE, 0.1, leakage, None, data)
    return commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 0.5)


def rows_of(dataset: Dataset) -> list[dict[str, Any]]:
    rows = storage.read_table(storage.index_url(dataset.url)).to_pylist()
    return [row for row in rows if row["status"] == "ok"]


def sides(dataset: Dataset) -> dict[str, str]:
    return {row["path"]: row["split"] for row in rows_of(dataset)}


def copy_almost(source: Path, target: Path) -> None:
    """A near copy: brighter and saved anew."""
    picture = cv2.imread(str(source))
    cv2.imwrite(str(target), np.clip(picture * 1.05 + 2, 0, 255).astype(np.uint8))


def test_a_folder_of_classes_alone_gets_a_test_split_of_every_class_and_the_report_says_so(
    flat: Path, store: str
):
    dataset = dataset_of(flat, store)
    check_splits(dataset)
    counts = Counter((row["label"], row["split"]) for row in rows_of(dataset))
    for label in ("sea", "forest"):
        assert 2 <= counts[label, "test"] <= 16
        assert counts[label, "val"] >= 1
        assert counts[label, "train"] > 20
    audit_dataset.fn(dataset)
    words = " ".join(origin_words(storage.read_record(storage.audit_url(dataset.url))))
    assert "There was no test split: 20% were drawn for it" in words
    assert "80 train of 2 classes (forest, sea)" in words


def test_no_test_share_draws_none_and_is_refused_as_before(flat: Path, store: str):
    with pytest.raises(InputError, match="no test images"):
        check_trainable(list_images.fn(str(flat), store, SIZE, 0.1, data=Data(test_share=0)))


def test_a_test_split_of_ones_own_is_never_added_to(sample: Path, store: str):
    tested = {path for path, side in sides(dataset_of(sample, store)).items() if side == "test"}
    assert tested
    assert all(path.startswith("seg_test/") for path in tested)


def test_a_file_never_changes_sides_when_others_arrive_copies_of_it_among_them(flat: Path, store: str):
    moved = [flat.parent / f"{label}{number}.jpg" for label in ("sea", "forest") for number in range(10, 40)]
    for file in moved:
        shutil.move(flat / file.stem.rstrip("0123456789") / f"{file.stem[-2:]}.jpg", file)
    before = sides(dataset_of(flat, store))
    for file in moved:
        shutil.move(file, flat / file.stem.rstrip("0123456789") / f"{file.stem[-2:]}.jpg")
    for path in before:
        for number in range(4):  # one of several hashes is lower than that of what it is a copy of
            shutil.copy(flat / path, copy := flat / f"{path[:-4]}-{number}.jpg")
            copy.write_bytes(copy.read_bytes() + bytes([number]))
    after = sides(dataset_of(flat, store))
    assert {path: after[path] for path in before} == before
    for path, side in before.items():
        assert {after[f"{path[:-4]}-{number}.jpg"] for number in range(4)} == {side}


def test_copies_and_near_copies_are_drawn_together(flat: Path, store: str):
    for label in ("sea", "forest"):
        for number in range(40):
            copy_almost(flat / label / f"{number:02d}.jpg", flat / label / f"{number:02d}-again.jpg")
    dataset = dataset_of(flat, store)
    groups: dict[int, set[str]] = {}
    for row in rows_of(dataset):
        groups.setdefault(row["group"], set()).add(row["split"])
    assert len(groups) < 100
    assert all(len(splits) == 1 for splits in groups.values())
    assert {"test"} in groups.values()


def test_a_class_too_small_for_three_splits_is_left_out_and_says_what_it_would_need(
    flat: Path, store: str, caplog
):
    (flat / "rare").mkdir()
    for number, label in enumerate(("sea", "forest")):
        shutil.copy(flat / label / "00.jpg", flat / "rare" / f"{number}.jpg")
    with caplog.at_level("WARNING", "darkroom"):
        check_trainable(list_images.fn(str(flat), store, SIZE, 0.1))
    assert "rare (2 images, needs 1 more)" in caplog.text
    dataset = check_splits(dataset_of(flat, store))
    assert (dataset.classes, list(dataset.left_out)) == (("forest", "sea"), ["rare"])


def fixed_camera(flat: Path) -> None:
    """Four sites a class, each before a scene of its own that hardly changes: 10 pictures a site."""
    for label in ("sea", "forest"):
        for site in range(4):
            (flat / "new" / label / f"site{site}").mkdir(parents=True)
            picture = cv2.imread(str(flat / label / f"{site:02d}.jpg"))
            for number in range(10):
                noise = np.random.default_rng(number).integers(-3, 4, picture.shape)
                file = flat / "new" / label / f"site{site}" / f"{number:03d}.jpg"
                cv2.imwrite(str(file), np.clip(picture + noise, 0, 255).astype(np.uint8))


def test_groups_are_never_torn(flat: Path, store: str):
    fixed_camera(flat)
    dataset = dataset_of(flat / "new", store, Data(group_by=r"(\w+/site\d+)/"))
    splits: dict[str, set[str]] = {}
    for row in rows_of(dataset):
        splits.setdefault(row["scene"], set()).add(row["split"])
    assert len(splits) == 8
    assert all(len(sides) == 1 for sides in splits.values())
    assert {row["label"] for row in rows_of(dataset) if row["split"] == "test"} == {"sea", "forest"}


def test_where_scenes_look_alike_the_error_names_a_pattern_that_fits_and_works(flat: Path, tmp_path: Path):
    fixed_camera(flat)
    torn = tmp_path / "torn"
    for file in (flat / "new").rglob("*.jpg"):
        side = "test" if int(file.stem) < 5 else "train"
        target = torn / side / file.parent.parent.name / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    with pytest.raises(InputError, match="look alike") as refusal:
        check_splits(dataset_of(torn, str(tmp_path / "a")))
    [pattern] = re.findall(r"--group-by '([^']+)'", str(refusal.value))
    assert pattern == r"(site\d+)/"
    dataset = dataset_of(flat / "new", str(tmp_path / "b"), Data(group_by=pattern))
    check_splits(dataset)
    assert not [row for row in rows_of(dataset) if row["leak"]]


def test_groups_that_given_splits_tear_are_counted_as_leakage(flat: Path, store: str):
    for label in ("sea", "forest"):
        for number in range(40):
            side, site = ("test" if number % 4 == 0 else "train"), number % 8
            target = flat / side / label / f"site{site}-{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(flat / label / f"{number:02d}.jpg", target)
        (flat / label).rmdir()
    dataset = dataset_of(flat, store, Data(group_by=r"(site\d)-"))
    audit_dataset.fn(dataset)
    audit = storage.read_record(storage.audit_url(dataset.url))
    assert audit["groups"] == {"count": 8, "torn": []}
    shutil.move(flat / "test/sea/site0-0.jpg", flat / "train/sea/site0-0.jpg")
    dataset = dataset_of(flat, store, Data(group_by=r"(site\d)-"))
    audit_dataset.fn(dataset)
    audit = storage.read_record(storage.audit_url(dataset.url))
    assert (audit["counts"]["torn"], audit["groups"]["torn"]) == (1, ["site0"])
    audit |= {"labels": {"suspected": 0, "checked": 0, "skipped": "no weights"}}
    points = soundness(audit).points
    assert any("groups that also stand in the test split (site0)" in point for point in points)


def photograph(source: Path, taken: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = taken
    with Image.open(source) as picture:
        picture.save(source, exif=exif)


def test_days_are_those_of_the_photograph_and_the_newest_judge(flat: Path, store: str):
    for label in ("sea", "forest"):
        for number in range(40):
            photograph(
                flat / label / f"{number:02d}.jpg", f"2024:05:{1 + number // 4:02d} 12:00:{number:02d}"
            )
    dataset = dataset_of(flat, store, Data(group_by="day", newest_as_test=True))
    rows = rows_of(dataset)
    assert {row["scene"] for row in rows if row["split"] == "test"} == {"2024-05-09", "2024-05-10"}
    assert {row["time"] for row in rows if row["path"] == "sea/01.jpg"} == {"2024-05-01T12:00:01"}
    days: dict[str, set[str]] = {}
    for row in rows:
        days.setdefault(row["scene"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in days.values())
    assert set(dataset.split("test").times) == {row["time"] for row in rows if row["split"] == "test"}


def test_without_a_photographs_time_the_files_own_counts(flat: Path, store: str):
    for number, file in enumerate(sorted(flat.rglob("*.jpg"))):
        os.utime(file, (0, 1_700_000_000 + number % 10 * 86_400))
    dataset = dataset_of(flat, store, Data(group_by="day"))
    assert {row["scene"] for row in rows_of(dataset)} == {f"2023-11-{day}" for day in range(14, 24)}
    assert all(dataset.split("test").times)
    assert file_time("9a0364b9e99bb480dd25e1f0284c8555") is None


def test_a_files_own_time_is_none_at_which_it_was_taken_unless_images_are_divided_by_it(
    flat: Path, store: str
):
    photograph(flat / "sea/00.jpg", "2024:05:01 12:00:00")
    labels = flat.parent / "labels.csv"
    rows = [f"{path.relative_to(flat)},{path.parent.name}," for path in sorted(flat.rglob("*.jpg"))]
    labels.write_text("\n".join(["path,label,time", *rows[:-1], f"{rows[-1]}2024-06-01T08:00:00"]))
    split = dataset_of(flat, store, Data(labels=str(labels))).split("train", "val", "test")
    known = {path: time for path, time in zip(split.paths, split.times, strict=True) if time}
    last = rows[-1].partition(",")[0]
    assert known == {"sea/00.jpg": "2024-05-01T12:00:00", last: "2024-06-01T08:00:00"}


@pytest.mark.parametrize(
    ("paths", "pattern"),
    [
        (["{c}/cam{a}/{b}.jpg"], r"(cam\d+)/"),
        (["{c}/cam{a}_{b:04d}.jpg"], r"(cam\d+)[_-][^/]*$"),
        (["{c}/2024-01-0{a}_{b}.jpg"], r"(\d{{4}}-?\d{{2}}-?\d{{2}})[^/]*$"),
        (["{c}/{a}{b}x.jpg"], "day"),
    ],
)
def test_a_pattern_is_proposed_that_fits_the_folders(paths: list[str], pattern: str):
    every = [
        path.format(a=a, b=b, c=c) for path in paths for a in range(1, 6) for b in range(9) for c in "xy"
    ]
    assert propose_groups(every, [path[0] for path in every]) == pattern.replace("{{", "{").replace("}}", "}")


@pytest.mark.parametrize(
    ("pattern", "complaint"), [("(", "regular expression"), ("nowhere", "none of 80 has")]
)
def test_a_pattern_that_groups_nothing_is_refused(flat: Path, store: str, pattern: str, complaint: str):
    with pytest.raises(InputError, match=complaint):
        dataset_of(flat, store, Data(group_by=pattern))


@pytest.mark.parametrize(("days", "split"), [(1, "test"), (2, "val")])
def test_groups_too_few_to_draw_a_split_of_are_called_so(flat: Path, store: str, days: int, split: str):
    for number, file in enumerate(sorted(flat.rglob("*.jpg"))):
        os.utime(file, (0, 1_700_000_000 + number % days * 86_400))
    with pytest.raises(InputError, match=f"draw a {split} split of. Received {days}, such as '2023-11-14'"):
        check_splits(dataset_of(flat, store, Data(group_by="day")))


def test_classes_may_be_called_test_and_valid(flat: Path, store: str):
    (flat / "sea").rename(flat / "test")
    shutil.copytree(flat / "forest", flat / "valid")
    for file in (flat / "valid").iterdir():
        cv2.imwrite(str(file), cv2.flip(cv2.imread(str(file)), 0))
    dataset = dataset_of(flat, store)
    check_splits(dataset)
    assert dataset.classes == ("forest", "test", "valid")
    assert {row["label"] for row in rows_of(dataset) if row["split"] == "test"} == set(dataset.classes)
