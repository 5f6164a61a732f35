"""Checks of a dataset that run before anything is trained on it."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tasks import storage
from tasks.dataset.corrections import LEFT_OUT
from tasks.dataset.groups import propose_groups
from tasks.dataset.records import Dataset, Manifest
from tasks.dataset.small import (
    do_most_remain,
    left_out_in_words,
    tell_left_out,
    too_few_to_split,
    what_classes_lack,
    without_small_classes,
)
from tasks.dataset.splits import MOST_LEFT_OUT
from tasks.errors import InputError, JobError

BAD_FILES_NAMED = 5


def check_places(images: str, store: str) -> tuple[str, str]:
    """Both folders made absolute. Raises InputError unless the store can be one, and can be written."""
    images_url, store = storage.absolute(images), storage.absolute(store)
    storage.check_folder(images_url)
    storage.check_apart(images_url, store, "store")
    storage.check_writable(store, "store")
    check_store(store)
    return images_url, store


def check_store(store: str) -> None:
    """Raise InputError where the store's page would take the place of one that is not of a store."""
    names = set(storage.names(store))
    if storage.name_of(storage.overview_url(store)) in names and not names & {"runs", "models", "datasets"}:
        raise InputError(
            f"`store` must be a new or empty folder, or a store. Received {store!r}, which holds another "
            "index.html: give another folder."
        )


def check_classes(images_url: str, files: int, classes: Sequence[str]) -> None:
    """Raise InputError unless there are two class folders or more. files: how many were listed."""
    if not classes:
        raise InputError(
            "`images` must have one folder a class (`<class>/*.jpg` or `train/<class>/*.jpg`). "
            f"Received {files:,} files in no class folder: {images_url!r}."
        )
    if len(classes) == 1:
        raise InputError(
            "`images` must have two classes or more, one folder each. "
            f"Received only {classes[0]!r} in {images_url!r}."
        )


def check_trainable(manifest: Manifest) -> None:
    """Raise InputError unless most classes have what a training needs, and validation can have an image.

    Warns of classes that will be left out, as far as it shows before anything is decoded.
    """
    table = storage.read_table(storage.manifest_url(manifest.dataset_url), ["label", "split"])
    files = Counter((row["label"], row["split"]) for row in table.to_pylist())
    drawn = bool(manifest.drawing.test_share)
    if not drawn and not any(split == "test" for _, split in files):
        raise InputError(
            "`images` must have a test split where none is drawn: pass a `test_share` such as 0.2, or put a "
            "share of each class into `test/<class>/` and the rest into `train/<class>/`. "
            f"Received no test images in {manifest.images_url!r}."
        )
    if drawn:
        left_out = too_few_to_split(Counter(table["label"].to_pylist()), manifest.classes)
    else:
        left_out = what_classes_lack(files, manifest.classes)
    remaining = [name for name in manifest.classes if name not in left_out]
    check_most_remain(manifest.images_url, remaining, left_out)
    has_val = any(split == "val" for _, split in files)
    if not drawn and not has_val and all(files[name, "train"] == 1 for name in remaining):
        raise InputError(
            "Some class must have two training images or more, of which validation takes one. "
            f"Received one of each class in {manifest.images_url!r}."
        )
    tell_left_out(left_out)


def check_tested(dataset: Dataset, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError where a test split was drawn and a class got none of it. rows: of usable images.

    To be called where so many classes lack images that they are not left out.
    """
    tested = {row["label"] for row in rows if row["split"] == "test"}
    if not dataset.origin.get("test_share") or tested.issuperset(dataset.classes):
        return
    groups: dict[str, set[Any]] = {name: set() for name in dataset.classes}
    for row in rows:
        groups[row["label"]].add(row["group"] if row["scene"] is None else row["scene"])
    missing = [name for name in dataset.classes if name not in tested]
    received = ", ".join(
        f"{name} ({sum(row['label'] == name for row in rows):,} images, {len(groups[name]):,} groups)"
        for name in missing
    )
    raise InputError(
        "Where the test split is drawn, every class must have three groups of images or more that may go "
        "to different splits; pictures that look alike count as one. Received none for test of "
        f"{received} in {dataset.images_url!r}: add others, or {way_out(rows)}."
    )


def way_out(rows: Sequence[Mapping[str, Any]]) -> str:
    """What to do where scenes look alike, with a pattern that fits the paths."""
    pattern = propose_groups([row["path"] for row in rows], [row["label"] for row in rows])
    return (
        f"let whole groups judge: `--group-by {shlex.quote(pattern)}` and no test split of your own; images "
        "of two groups then count as two scenes, however alike"
    )


def check_most_remain(images_url: str, remaining: Sequence[str], left_out: Mapping[str, str]) -> None:
    """Raise InputError where fewer than two classes, or not most, can be trained and judged.

    left_out: what the others lack.
    """
    if do_most_remain(remaining, left_out):
        return
    raise InputError(
        "Most classes, and two or more, must have a training and a test image each that can be decoded "
        "and lies in no other split; where the test split is drawn, three images, and one of them for "
        f"validation. Received {left_out_in_words(left_out)} in {images_url!r}: give them others, or pass "
        "`leakage` report to train on copies of test images all the same."
    )


def check_splits(dataset: Dataset) -> Dataset:
    """The dataset as a training can use it: without small classes (see `without_small_classes`).

    Raises InputError unless test and validation have an image and most classes remain, and where too many
    images were left out (see `check_left_out`).
    """
    table = storage.read_table(storage.index_url(dataset.url))
    columns = ["path", "label", "split", "status", "leak", "group", "scene"]
    index = table.select([name for name in columns if name in table.column_names]).to_pylist()
    rows = [row for row in index if row["status"] == "ok"]
    check_left_out(dataset.images_url, rows)
    for split in ("test", "val"):
        if not dataset.counts[split] and not any(row["split"] == split for row in index):
            check_groups(dataset.images_url, rows, split)
    if not dataset.counts["test"]:
        raise InputError(
            f"The test split must have an image that can be decoded. Received none in {dataset.images_url!r}."
        )
    whole, dataset = dataset, without_small_classes(dataset)
    if not do_most_remain(dataset.classes, dataset.left_out):
        check_tested(whole, rows)
    check_most_remain(dataset.images_url, dataset.classes, dataset.left_out)
    if not dataset.counts["val"]:
        raise InputError(
            "The validation split must have an image that can be decoded. Received none, and no class of "
            f"{dataset.images_url!r} has training images to spare that do not look alike: put some of "
            "each class into `val/<class>/`."
        )
    return dataset


def check_groups(images_url: str, rows: Sequence[Mapping[str, Any]], split: str) -> None:
    """Raise InputError where a split that was to be drawn got nothing, since all images lie in few groups."""
    if scenes := sorted({row["scene"] for row in rows if row.get("scene") is not None}):
        raise InputError(
            f"Groups are not torn, so that there must be enough of them to draw a {split} split of. Received "
            f"{len(scenes):,}, such as {scenes[0]!r}, in {images_url!r}: name smaller groups by `group_by`, "
            "or none."
        )


def check_left_out(images_url: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError when more than MOST_LEFT_OUT of train and validation were left out as near copies.

    So many are hardly copies: the scenes look alike. rows: path, label, split and leak of the
    usable images.
    """
    near_copies = sum(row["split"] == "leaked" and row["leak"] == "near" for row in rows)
    learning_images = sum(row["split"] != "test" for row in rows)
    if near_copies > MOST_LEFT_OUT * learning_images:
        raise InputError(
            f"At most {MOST_LEFT_OUT:.0%} of the training and validation images may be left out as near "
            f"copies of those that judge them. Received {near_copies:,} of {learning_images:,} in "
            f"{images_url!r}: the scenes look alike, as before a fixed camera. Either {way_out(rows)}; or "
            "pass `leakage` report to train on all of them: what is tested will look better than it is, "
            "and the gate promotes nothing then."
        )


def check_bad_share(index: pa.Table, max_bad_share: float) -> None:
    """Raise JobError when more than `max_bad_share` of the files of an index are not usable."""
    rows = index.select(["path", "status", "reason"]).to_pylist()
    bad = [row for row in rows if row["status"] not in ("ok", *LEFT_OUT)]
    if len(bad) > max_bad_share * len(index):
        reasons = [f"{row['path']}: {row['status']}, {row['reason']}" for row in bad[:BAD_FILES_NAMED]]
        more = " ..." if len(bad) > BAD_FILES_NAMED else ""
        raise JobError(
            f"At most {max_bad_share:.0%} of the files may be bad (`max_bad_share`). "
            f"Received {len(bad):,} bad of {len(index):,}: {'; '.join(reasons)}{more}"
        )
