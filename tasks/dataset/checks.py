"""Checks of a dataset that run before anything is trained on it."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tasks import storage
from tasks.dataset.corrections import LEFT_OUT, SPLITS
from tasks.dataset.groups import propose_groups
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
    if manifest.drawing.test_share:
        check_class_sizes(manifest.images_url, Counter(table["label"].to_pylist()))
        return
    if not classes["test"]:
        raise InputError(
            "`images` must have a test split where none is drawn: pass a `test_share` such as 0.2, or put a "
            "share of each class into `test/<class>/` and the rest into `train/<class>/`. "
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


def check_class_sizes(images_url: str, files: Mapping[str, int]) -> None:
    """Raise InputError where a class has too few files for three splits, and say what each would need."""
    small = {label: count for label, count in sorted(files.items()) if count < len(SPLITS)}
    if small:
        needs = ", ".join(
            f"{label} ({count}, needs {len(SPLITS) - count} more)" for label, count in small.items()
        )
        raise InputError(
            "Where the test split is drawn, every class must have three images or more: one to train on, one "
            f"for validation, one for test. Received too few of {needs} in {images_url!r}: add some, or take "
            "the class out."
        )


def check_tested(dataset: Dataset, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError where a test split was drawn and a class got none of it. rows: of usable images."""
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


def check_splits(dataset: Dataset) -> None:
    """Raise InputError unless every class has a usable training image, and val and test have any.

    Raises it too where too many images were left out (see `check_left_out`).
    """
    table = storage.read_table(storage.index_url(dataset.url))
    columns = ["path", "label", "split", "status", "leak", "group", "scene"]
    index = table.select([name for name in columns if name in table.column_names]).to_pylist()
    rows = [row for row in index if row["status"] == "ok"]
    check_left_out(dataset.images_url, rows)
    check_tested(dataset, rows)
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
