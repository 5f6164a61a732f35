"""Decoded once, reused ever after."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tasks import storage
from tasks.audit.findings import audit_dataset
from tasks.dataset import parts
from tasks.dataset.checks import check_splits, check_trainable
from tasks.dataset.index import commit_dataset
from tasks.dataset.manifest import PARTS_VERSION, list_images, part_key
from tasks.dataset.parts import decode_part, plan_parts
from tasks.dataset.records import Dataset, Manifest
from tasks.errors import InputError, JobError
from tasks.parameters import Data, Leakage
from tasks.pictures import ImageError, decode_image
from tasks.publishing.figures import dataset_figures
from tasks.storage import FileEntry

SIZE = 32


def decode_all(
    folder: Path,
    store: str,
    max_bad_share: float = 0.5,
    leakage: Leakage = "exclude",
    dataset_begun: str | None = None,
) -> Dataset:
    manifest = manifest_of(folder, store, leakage, dataset_begun)
    return commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], max_bad_share)


def manifest_of(
    folder: Path, store: str, leakage: Leakage = "exclude", dataset_begun: str | None = None
) -> Manifest:
    begun = [dataset_begun] if dataset_begun else []
    return list_images.fn(str(folder), store, SIZE, 0.2, leakage, *begun)


@pytest.fixture
def images(sample: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample, tmp_path / "images"))


def test_every_file_has_a_row_and_every_usable_one_its_pixels(images: Path, store: str):
    dataset = decode_all(images, store)
    rows = storage.read_table(storage.index_url(dataset.url)).to_pylist()
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    assert {row["status"] for row in rows} == {"ok", "corrupt"}
    split = dataset.split("train")
    for index in (0, len(split) - 1):
        expected = decode_image((images / split.paths[index]).read_bytes(), SIZE).pixels
        assert np.array_equal(split.take(np.array([index]))[0], expected)


def test_a_dataset_of_another_fit_is_another_one_and_takes_no_part_of_it_over(images: Path, store: str):
    squeezed = decode_all(images, store)
    manifest = list_images.fn(str(images), store, SIZE, 0.2, data=Data(fit="crop"))
    assert manifest.fingerprint != squeezed.fingerprint
    cropped = commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 0.5)
    assert (cropped.reused, cropped.fit) == (0, "crop")
    for split in (cropped.split("train"), squeezed.split_at(SIZE, "crop", "train")):
        index = next(at for at, path in enumerate(split.paths) if "narrow" in path)
        data = (images / split.paths[index]).read_bytes()
        assert np.array_equal(split.take(np.array([index]))[0], decode_image(data, SIZE, fit="crop").pixels)
        assert not np.array_equal(
            decode_image(data, SIZE, fit="crop").pixels, decode_image(data, SIZE).pixels
        )


def test_the_usual_fit_leaves_the_names_of_parts_as_they_were():
    older = hashlib.sha256(json.dumps([PARTS_VERSION, SIZE]).encode() + json.dumps(["a", 1, ""]).encode())
    assert part_key([FileEntry("a", 1, "")], SIZE, "squeeze") == older.hexdigest()[:32]


def test_a_part_that_a_process_died_of_is_decoded_apart(images: Path, store: str, monkeypatch):
    manifest = list_images.fn(str(images), store, SIZE, 0.2)
    [part, *_] = plan_parts(manifest)
    decoded_apart = []
    monkeypatch.setattr(
        parts, "decode_image", lambda *args: decoded_apart.append(args[2]) or decode_image(*args)
    )
    storage.write_bytes(part.begun_url, b"")
    decode_part.fn(part)
    assert set(decoded_apart) == {True}
    assert not storage.exists(part.begun_url)


def test_the_same_data_is_not_decoded_twice(images: Path, store: str):
    first = decode_all(images, store)
    second = decode_all(images, store)
    assert (first.reused, second.decoded) == (0, 0)
    assert first.fingerprint == second.fingerprint


def test_new_files_alone_are_decoded(images: Path, store: str):
    first = decode_all(images, store)
    shutil.copy(
        next((images / "seg_test/seg_test/sea").iterdir()), images / "seg_train/seg_train/sea/new.jpg"
    )
    second = decode_all(images, store)
    assert (second.decoded, second.reused) == (1, first.decoded)
    assert second.fingerprint != first.fingerprint
    shutil.rmtree(first.url)
    assert len(second.split("train").take(np.arange(5))) == 5


def test_a_part_without_its_side_car_is_decoded_again(images: Path, store: str):
    first = decode_all(images, store)
    before = first.split("train").take(np.arange(5))
    for name in ("_SUCCESS", "index.parquet"):
        storage.remove(storage.join(first.url, name))
    storage.remove(storage.side_car_url(first.url, 0))
    storage.write_bytes(storage.pixels_url(first.url, 0), b"half")
    again = decode_all(images, store)
    assert again.decoded == first.decoded
    assert np.array_equal(again.split("train").take(np.arange(5)), before)


def test_the_sample_is_audited_for_what_was_planted_in_it(images: Path, store: str):
    audit = audited(decode_all(images, store))
    assert [row["status"] for row in audit["bad"]] == ["corrupt"]
    [duplicate] = audit["duplicates"]
    assert duplicate["across_splits"]
    assert audit["counts"]["leaked"] == 1
    assert audit["counts"]["unlabelled"] == len(list((images / "seg_pred/seg_pred").iterdir()))


def audited(dataset: Dataset) -> dict[str, Any]:
    audit_dataset.fn(dataset)
    return storage.read_json(storage.audit_url(dataset.url))


def test_a_test_image_saved_anew_in_train_is_left_out_or_reported_as_asked(images: Path, store: str):
    [file, *_] = sorted((images / "seg_test/seg_test/sea").glob("*_[0-9]*.jpg"))
    copy = images / "seg_train/seg_train/forest/copy.jpg"
    cv2.imwrite(str(copy), cv2.imread(str(file)), [cv2.IMWRITE_JPEG_QUALITY, 60])
    shutil.copy(copy, copy.with_stem("copy of copy"))
    excluded = decode_all(images, store)
    counts = audited(excluded)["counts"]
    duplicates = {name: counts[name] for name in ("duplicates", "exact", "near", "conflicts")}
    assert duplicates == {"duplicates": 2, "exact": 2, "near": 1, "conflicts": 1}
    assert (counts["leaked"], counts["leaked_near"], counts["leaking"]) == (3, 2, 0)
    assert not any(path.endswith("copy.jpg") for path in excluded.split("train", "val").paths)

    reported = decode_all(images, store, leakage="report")
    counts = audited(reported)["counts"]
    assert (counts["leaked"], counts["leaking"]) == (0, 3)
    assert reported.fingerprint != excluded.fingerprint
    assert reported.decoded == 0


def test_a_folder_of_test_images_alone_keeps_its_plots(images: Path, store: str):
    dataset = decode_all(Path(shutil.copytree(images / "seg_test", images.with_name("alone"))), store)
    figures = dataset_figures(dataset, audited(dataset))
    assert list(figures) == ["classes.png", "splits.png", "sizes.png"]


def test_too_many_bad_files_fail_the_job_and_are_listed(images: Path, store: str):
    broken = images / "seg_train/seg_train/sea/broken.jpg"
    broken.write_bytes(b"")
    with pytest.raises(JobError, match=r"broken\.jpg"):
        decode_all(images, store, max_bad_share=0.001)


def test_what_was_decoded_of_a_refused_dataset_is_not_decoded_again(tmp_path: Path, store: str):
    images = pictures(tmp_path / "images", seed=0)
    (images / "train/b/broken.bmp").write_bytes(b"")
    with pytest.raises(JobError, match="max_bad_share"):
        decode_all(images, store, max_bad_share=0.0)
    shutil.copy(images / "train/b/0.bmp", images / "train/b/new.bmp")
    second = decode_all(images, store)
    assert (second.decoded, second.reused) == (1, 17)


def test_a_refused_dataset_whose_files_could_not_be_read_is_tried_again_by_the_same_run(
    tmp_path: Path, store: str, monkeypatch
):
    images = pictures(tmp_path / "images", seed=0)
    with monkeypatch.context() as patch:
        unreadable = ImageError("unreadable", "the share is away")
        patch.setattr(parts, "read_images", lambda _, files, *__: iter([unreadable] * len(files)))
        with pytest.raises(JobError, match="max_bad_share"):
            decode_all(images, store, max_bad_share=0.5)
    [name] = storage.names(storage.datasets_url(store))
    resumed = decode_all(images, store, dataset_begun=name)
    assert (resumed.fingerprint, resumed.bad) == (name, 0)


def test_too_many_bad_files_fail_a_dataset_that_was_explored_before(images: Path, store: str):
    decode_all(images, store, max_bad_share=1.0)
    with pytest.raises(JobError, match="max_bad_share"):
        decode_all(images, store, max_bad_share=0.0)


def test_a_split_without_one_good_image_is_refused(images: Path, store: str):
    for path in (images / "seg_test").rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="test split"):
        check_splits(decode_all(images, store, max_bad_share=1.0))


def test_a_class_with_too_few_images_is_left_out_with_a_warning(images: Path, store: str, caplog):
    whole = decode_all(images, store)
    fog = images / "seg_train/seg_train/fog"
    fog.mkdir()
    cv2.imwrite(str(fog / "1.bmp"), np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8))
    with caplog.at_level("WARNING", "darkroom"):
        check_trainable(manifest_of(images, store))
        listed = caplog.text
        caplog.clear()
        dataset = check_splits(decode_all(images, store))
    assert "left out of this training, for want of images: fog (no test image)" in listed
    assert "fog (no test image)" in caplog.text
    assert (dataset.classes, dataset.left_out) == (whole.classes, {"fog": "no test image"})
    assert dataset.counts["test"] == whole.counts["test"] == len(dataset.split("test"))
    assert len(dataset.split("train", "val")) == dataset.counts["train"] + dataset.counts["val"]


def test_scenes_that_all_look_alike_are_refused_unless_they_are_only_reported(images: Path, store: str):
    [file, *_] = sorted((images / "seg_test/seg_test/sea").glob("*_[0-9]*.jpg"))
    for quality in range(70, 90, 2):
        copy = images / f"seg_train/seg_train/sea/{quality}.jpg"
        cv2.imwrite(str(copy), cv2.imread(str(file)), [cv2.IMWRITE_JPEG_QUALITY, quality])
    with pytest.raises(InputError, match=r"look alike.*`leakage` report"):
        check_splits(decode_all(images, store))
    check_splits(decode_all(images, store, leakage="report"))
    for copy in images.glob("seg_train/seg_train/sea/[0-9][0-9].jpg"):
        shutil.copy(file, copy)
    check_splits(decode_all(images, store))


def pictures(folder: Path, seed: int) -> Path:
    """Bitmaps, which all have one size, with one time, of two classes in train and test."""
    random = np.random.default_rng(seed)
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            file = folder / name / f"{number}.bmp"
            cv2.imwrite(str(file), random.integers(0, 255, (40, 40, 3), np.uint8))
            os.utime(file, (1, 1))
    return folder


def first_pixels(dataset: Dataset) -> np.ndarray:
    return dataset.split("test").take(np.arange(1))[0]


def test_two_folders_of_equal_names_sizes_and_times_are_two(tmp_path: Path, store: str):
    first, second = (pictures(tmp_path / name, seed) for seed, name in enumerate(("first", "second")))
    datasets = [decode_all(folder, store) for folder in (first, second)]
    assert datasets[0].fingerprint != datasets[1].fingerprint
    for folder, dataset in zip((first, second), datasets, strict=True):
        expected = decode_image((folder / "test/a/0.bmp").read_bytes(), SIZE).pixels
        assert np.array_equal(first_pixels(dataset), expected)


def test_a_renamed_folder_is_not_decoded_again(images: Path, store: str):
    first = decode_all(images, store)
    renamed = decode_all(images.rename(images.with_name("renamed")), store)
    assert (renamed.decoded, renamed.reused) == (0, first.decoded)
    assert np.array_equal(first_pixels(renamed), first_pixels(first))


@pytest.mark.parametrize(
    ("lost", "remains"),
    [
        ("_SUCCESS", b""),
        ("manifest.parquet", b"PAR1"),
        ("index.parquet", b""),
        ("index.parquet", None),
        ("shards/part-00000.npy", None),
        ("shards/part-00000.npy", b"half"),
        ("shards/part-00000.parquet", b"PAR1"),
    ],
)
def test_a_dataset_of_which_something_was_lost_is_made_whole(
    images: Path, store: str, lost: str, remains: bytes | None
):
    before = decode_all(images, store)
    path = Path(before.url, lost)
    path.unlink()
    if remains is not None:
        path.write_bytes(remains)
    pixels = b"half" if remains == b"half" else None
    if pixels:
        Path(before.url, "_SUCCESS").unlink()
    again = decode_all(images, store)
    assert again.counts == before.counts
    assert len(first_pixels(again)) == SIZE
