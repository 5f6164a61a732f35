"""What people answered counts when a dataset is committed: labels, dropped images, images of an inbox."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks import storage
from tasks.audit import soundness
from tasks.audit.features import Base, feature_urls, plan_features
from tasks.corrections import Answer, keep_image, record_answers
from tasks.dataset.index import commit_dataset
from tasks.dataset.manifest import list_images
from tasks.dataset.parts import decode_part, plan_parts
from tasks.dataset.records import Dataset
from tasks.errors import JobError
from tasks.pages import model_card
from tasks.pages.html import explore_report
from tasks.publishing.overview import dataset_summary
from tests.tasks.dataset.test_parts import audited, decode_all
from tests.tasks.pages import records

TRAIN, TEST = "seg_train/seg_train", "seg_test/seg_test"


@pytest.fixture
def images(sample: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample, tmp_path / "images"))


def a_picture(images: Path, folder: str) -> Path:
    """A picture of a folder, but none of those that a hidden copy was made of."""
    return sorted((images / folder).iterdir())[1]


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def answer(path: Path, label: str | None, decision: str = "label") -> Answer:
    about = {"shown": None, "suggested": None, "confidence": None, "kind": "wrong_label", "run": None}
    return Answer(sha256_of(path), decision, label, **about, who="ann", at="2026-01-02T03:04:05+00:00")


def index_of(dataset: Dataset) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in storage.read_table(storage.index_url(dataset.url)).to_pylist()}


def test_corrections_count_in_a_new_dataset_that_takes_over_all_parts_and_features(images: Path, store: str):
    before, base = decode_all(images, store), Base(key="of some weights")
    for url in feature_urls(before, base).values():
        storage.write_bytes(url, b"features")
    committed = Path(storage.index_url(before.url)).read_bytes()
    mended, dropped = a_picture(images, f"{TRAIN}/sea"), a_picture(images, f"{TEST}/forest")
    record_answers(store, [answer(mended, "street"), answer(dropped, None, "drop")])
    after = decode_all(images, store)

    assert after.fingerprint != before.fingerprint
    assert (after.decoded, after.reused) == (0, before.decoded)
    assert plan_features(after, base) == []
    assert Path(storage.index_url(before.url)).read_bytes() == committed
    assert mended.parent.name == "sea" and dropped.exists()
    rows = index_of(after)
    row = rows[f"{TRAIN}/sea/{mended.name}"]
    assert (row["label"], row["given"], row["answer"]) == ("street", "sea", "street")
    assert rows[f"{TEST}/forest/{dropped.name}"]["status"] == "dropped"
    assert after.counts["test"] == before.counts["test"] - 1
    assert after.bad == before.bad
    split = after.split("train", "val")
    assert split.labels[split.paths.index(f"{TRAIN}/sea/{mended.name}")] == after.classes.index("street")
    assert decode_all(images, store).fingerprint == after.fingerprint


def test_corrections_are_told_in_audit_report_card_and_summary(images: Path, store: str):
    mended = [a_picture(images, f"{TRAIN}/sea"), a_picture(images, f"{TEST}/sea")]
    dropped = a_picture(images, f"{TRAIN}/forest")
    record_answers(store, [*(answer(path, "street") for path in mended), answer(dropped, None, "drop")])
    dataset = decode_all(images, store)

    summary = dataset_summary(dataset)
    train_split = index_of(dataset)[f"{TRAIN}/sea/{mended[0].name}"]["split"]
    assert summary["corrected"] == {"train": 0, "val": 0, "test": 1} | {train_split: 1}
    assert summary["dropped"] == {"train": 1, "val": 0, "test": 0}
    audit = audited(dataset)
    assert audit["corrections"] == dataset.corrections
    assert audit["counts"]["bad"] == 1
    labels = {"checked": 0, "suspected": 0, "suspects": [], "skipped": "a test"}
    page = explore_report(
        audit | {"labels": labels, "counts": audit["counts"] | {"wrong_labels": 0}}, {}, "photos"
    )
    assert "2 labels were corrected by people" in page
    assert "accuracies measured before that are of other labels" in page


def test_the_card_tells_of_corrected_test_labels(tmp_path: Path):
    counts = {"corrected": {"train": 2, "val": 0, "test": 1}, "dropped": {"train": 0, "val": 0, "test": 0}}
    metrics = records.metrics()
    record = records.model_record(str(tmp_path), metrics)
    card = model_card(record | {"corrections": counts | {"added": 3, "unknown_classes": {}}}, metrics)
    assert "3 labels were corrected by people (2 train, 1 test)" in card
    assert "3 images that were labelled in an inbox joined training" in card
    assert "The champion was judged again" in card


def test_an_answer_of_a_class_that_the_folders_lack_changes_nothing_and_is_told(images: Path, store: str):
    strange = a_picture(images, f"{TRAIN}/sea")
    record_answers(store, [answer(strange, "moon")])
    dataset = decode_all(images, store)
    row = index_of(dataset)[f"{TRAIN}/sea/{strange.name}"]
    assert (row["label"], row["answer"], row["status"]) == ("sea", "moon", "ok")
    assert "moon" not in dataset.classes
    labels = {"checked": 1, "suspected": 0, "suspects": [], "skipped": ""}
    assert any("moon (1)" in point for point in soundness(audited(dataset) | {"labels": labels}).points)


def test_images_labelled_in_an_inbox_join_training_and_the_inbox_may_be_emptied(images: Path, store: str):
    before = decode_all(images, store)
    inbox = sorted((images / "seg_pred/seg_pred").iterdir())[:2]
    contents = [sha256_of(path) for path in inbox]
    record_answers(store, [answer(inbox[0], "sea"), answer(inbox[1], "moon")])
    for path, sha256 in zip(inbox, contents, strict=True):
        copy = keep_image(store, str(path), sha256)
        assert keep_image(store, str(path), sha256) == copy
        assert sha256_of(Path(copy)) == sha256
    shutil.rmtree(images / "seg_pred")
    dataset = decode_all(images, store)
    rows = index_of(dataset)
    [path] = [path for path in rows if contents[0] in path]
    assert path.startswith("store:labels/images/")
    assert (rows[path]["label"], rows[path]["given"], rows[path]["status"]) == ("sea", None, "ok")
    assert rows[path]["split"] in ("train", "val")
    assert dataset.corrections["added"] == 1
    assert dataset.corrections["unknown_classes"] == {"moon": 1}
    assert dataset.decoded == 2
    assert dataset.counts["test"] == before.counts["test"]
    split = dataset.split_at(24, "squeeze", "train", "val")
    assert split.take(np.array([split.paths.index(path)])).any()

    kept = Path(storage.kept_images_url(store), path.rpartition("/")[2])
    record_answers(store, [answer(kept, None, "undo")])
    assert path not in index_of(decode_all(images, store))


def test_an_image_that_has_changed_since_it_was_shown_is_not_kept(images: Path, store: str):
    [path, other, *_] = sorted((images / "seg_pred/seg_pred").iterdir())
    with pytest.raises(JobError, match="other bytes"):
        keep_image(store, str(path), sha256_of(other))
    assert storage.names(storage.kept_images_url(store)) == []


def test_a_resumed_run_keeps_the_corrections_it_began_with(images: Path, store: str):
    record_answers(store, [answer(a_picture(images, f"{TRAIN}/sea"), "street")])
    begun = decode_all(images, store)
    record_answers(store, [answer(a_picture(images, f"{TRAIN}/forest"), "street")])
    resumed = decode_all(images, store, dataset_begun=begun.fingerprint)
    assert (resumed.fingerprint, resumed.corrections) == (begun.fingerprint, begun.corrections)
    assert decode_all(images, store).fingerprint != begun.fingerprint


def test_a_dataset_whose_index_is_lost_is_made_again_with_its_own_corrections(images: Path, store: str):
    record_answers(store, [answer(a_picture(images, f"{TRAIN}/sea"), "street")])
    first = decode_all(images, store)
    index = pq.read_table(storage.index_url(first.url))
    manifest = list_images.fn(str(images), store, 32, 0.2)
    record_answers(store, [answer(a_picture(images, f"{TRAIN}/sea"), None, "undo")])
    storage.remove(storage.index_url(first.url))
    commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 0.5)
    assert pq.read_table(storage.index_url(first.url)).equals(index)
