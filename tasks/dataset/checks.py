"""Checks of a dataset that run before anything is trained on it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tasks import storage
from tasks.dataset.corrections import LEFT_OUT
from tasks.dataset.records import Dataset, Manifest
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
    """Raise InputError unless every class has training files, and there is what makes the other splits."""
    table = storage.read_table(storage.manifest_url(manifest.dataset_url), ["label", "split"])
    files = Counter((row["label"], row["split"]) for row in table.to_pylist())
    classes: dict[str, set[str]] = {"train": set(), "val": set(), "test": set()}
    for label, split in files:
        classes.setdefault(split, set()).add(label)
    if not classes["test"]:
        raise InputError(
            "`images` must have a test split: put a share of each class, such as a fifth, into "
            "`test/<class>/` and the rest into `train/<class>/`. "
            f"Received no test images in {manifest.images_url!r}."
        )
    if missing := sorted((classes["val"] | classes["test"]) - classes["train"]):
        raise InputError(
            "Every class must have training images. "
            f"Received none for {', '.join(missing)} in {manifest.images_url!r}."
        )
    if not classes["val"] and all(files[label, "train"] == 1 for label in classes["train"]):
        raise InputError(
            "Some class must have two training images or more, of which validation takes one. "
            f"Received one of each class in {manifest.images_url!r}."
        )


def check_splits(dataset: Dataset) -> None:
    """Raise InputError unless every class has a usable training image, and val and test have any.

    Raises it too where too many images were left out (see `check_left_out`).
    """
    columns = ["label", "split", "status", "leak"]
    index = storage.read_table(storage.index_url(dataset.url), columns).to_pylist()
    rows = [row for row in index if row["status"] == "ok"]
    check_left_out(dataset.images_url, rows)
    train_images = Counter(row["label"] for row in rows if row["split"] == "train")
    if missing := [name for name in dataset.classes if not train_images[name]]:
        raise InputError(
            "Every class must have a training image that can be decoded and lies in no other split. "
            f"Received none for {', '.join(missing)} in {dataset.images_url!r}: give it others, or pass "
            "`leakage` report to train on copies of test images all the same."
        )
    if not dataset.counts["test"]:
        raise InputError(
            f"The test split must have an image that can be decoded. Received none in {dataset.images_url!r}."
        )
    if not dataset.counts["val"]:
        raise InputError(
            "The validation split must have an image that can be decoded. Received none, and no class of "
            f"{dataset.images_url!r} has training images to spare that do not look alike: put some of "
            "each class into `val/<class>/`."
        )


def check_left_out(images_url: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError when more than MOST_LEFT_OUT of train and validation were left out as near copies.

    So many are hardly copies: the scenes look alike. rows: split and leak of the usable images.
    """
    near_copies = sum(row["split"] == "leaked" and row["leak"] == "near" for row in rows)
    learning_images = sum(row["split"] != "test" for row in rows)
    if near_copies > MOST_LEFT_OUT * learning_images:
        raise InputError(
            f"At most {MOST_LEFT_OUT:.0%} of the training and validation images may be left out as near "
            f"copies of those that judge them. Received {near_copies:,} of {learning_images:,} in "
            f"{images_url!r}: the scenes look alike, as before a fixed camera. Split them by place or time, "
            "or pass `leakage` report to train on all of them; what is tested will look better than it is, "
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
