"""What people move between sorted folders is a label, told until it counts, and stays where it is."""

from dataclasses import replace
from pathlib import Path

import pytest

from tasks import storage
from tasks.classification.by_hand import Imported, Moved, answer_of, import_sorted, tell_moved
from tasks.classification.job import plan_job
from tasks.classification.ledger import Placed
from tasks.corrections import current_corrections, read_answers, record_answers
from tasks.errors import InputError
from tasks.parameters import Classification
from tests.tasks.classification.sorted_folders import MODEL, NAMES, other_model, sort, tree


@pytest.fixture
def pictures(images: Path) -> Path:
    """The images as real pictures, all of one size in bytes."""
    for number, name in enumerate(NAMES):
        (images / name).write_bytes(b"\xff\xd8\xff\xe0 picture " + str(number).encode())
    return images


@pytest.mark.parametrize("method", ["copy_into", "symlink_into"])
def test_a_file_moved_by_hand_is_a_label_and_stays_where_it_was_moved(
    pictures: Path, tmp_path: Path, store: str, method: str
):
    target = tmp_path / "sorted"
    options = {method: str(target)}
    sort(pictures, {"5.jpg": "b"}, **options)
    (target / "a/0.jpg").rename(target / "b/0.jpg")
    (target / "a/1.jpg").unlink()
    (target / "trash").mkdir()
    (target / "a/2.jpg").rename(target / "trash/2.jpg")
    (target / "b/own.jpg").write_bytes(b"\xff\xd8\xff\xe0 a person's")
    content = storage.sha256((pictures / "0.jpg").read_bytes())

    assert import_sorted(store, str(target), "ann") == Imported(1, 0, 0)
    [(sha256, answer)] = current_corrections(read_answers(store)).items()
    assert (sha256, answer.label, answer.suggested, answer.kind) == (content, "b", "a", "sorted")
    assert storage.names(storage.kept_images_url(store)) == [f"{content}.jpg"]
    record_answers(store, [replace(answer, decision="drop", label=None, kind="wrong_label")])
    assert import_sorted(store, str(target), "ann") == Imported(0, 1, 0)
    assert current_corrections(read_answers(store))[content].decision == "drop"

    before = tree(target)
    sort(pictures, {"5.jpg": "b"}, other_model(), **options)
    assert tree(target) == before
    assert import_sorted(store, str(target), "ann") == Imported(0, 1, 0)


def test_a_file_moved_to_and_fro_has_the_label_of_its_last_folder(pictures: Path, tmp_path: Path, store: str):
    target = tmp_path / "sorted"
    sort(pictures, {}, replace(MODEL, classes=("a", "b", "c")), copy_into=str(target))
    (target / "b").mkdir()
    (target / "c").mkdir()
    for before, after in ("ab", "bc", "cb"):
        (target / before / "0.jpg").rename(target / after / "0.jpg")
        assert import_sorted(store, str(target), "ann") == Imported(1, 0, 0)
        [answer] = current_corrections(read_answers(store)).values()
        assert answer.label == after


@pytest.mark.parametrize("method", ["copy_into", "symlink_into"])
def test_a_file_that_is_put_back_has_the_label_that_it_had_before_it_was_moved(
    pictures: Path, tmp_path: Path, store: str, method: str, caplog: pytest.LogCaptureFixture
):
    target, options = tmp_path / "sorted", {method: str(tmp_path / "sorted")}
    model = replace(MODEL, classes=("a", "b", "c"))
    sort(pictures, {"5.jpg": "b"}, model, **options)
    job = plan_job.fn(str(pictures), str(tmp_path / "out"), model, Classification(**options))
    before = answer_of(Moved(pictures / "0.jpg", "c", Placed("0.jpg", "a", 0, 0, None, True)), "other", "eva")
    record_answers(store, [replace(before, kind="import")])
    (target / "c").mkdir()
    for number, label in enumerate("bc"):
        for name in ("0.jpg", "1.jpg"):
            (target / "abc"[number] / name).rename(target / label / name)
        assert import_sorted(store, str(target), "ann") == Imported(2, 0, 0)
    (target / "c/0.jpg").rename(target / "a/0.jpg")
    tell_moved(job, store)
    assert "1 file was moved by hand" in caplog.text
    assert import_sorted(store, str(target), "ann") == Imported(0, 1, 1)
    assert current_corrections(read_answers(store))[before.sha256].who == "eva"
    assert import_sorted(store, str(target), "ann") == Imported(0, 1, 0)

    (target / "a/0.jpg").rename(target / "b/0.jpg")
    assert import_sorted(store, str(target), "ann") == Imported(1, 1, 0)


def test_a_copy_that_stays_where_its_twin_was_moved_and_removed_takes_nothing_back(
    pictures: Path, tmp_path: Path, store: str
):
    target = tmp_path / "sorted"
    (pictures / "1.jpg").write_bytes((pictures / "0.jpg").read_bytes())
    sort(pictures, {}, copy_into=str(target))
    (target / "b").mkdir()
    (target / "a/0.jpg").rename(target / "b/0.jpg")
    for import_number in range(3):
        assert import_sorted(store, str(target), "ann").taken_back == 0
        if import_number == 1:
            (target / "b/0.jpg").unlink()
    [answer] = current_corrections(read_answers(store)).values()
    assert answer.label == "b"


def test_what_was_moved_by_hand_is_told_at_the_next_run_until_it_counts(
    pictures: Path, tmp_path: Path, store: str, caplog: pytest.LogCaptureFixture
):
    target = tmp_path / "sorted"
    sort(pictures, {"5.jpg": "b"}, copy_into=str(target))
    job = plan_job.fn(str(pictures), str(tmp_path / "out"), MODEL, Classification(copy_into=str(target)))

    def told() -> list[str]:
        caplog.clear()
        tell_moved(job, store)
        return [record.getMessage() for record in caplog.records]

    assert told() == []
    for name in ("0.jpg", "1.jpg"):
        (target / "a" / name).rename(target / "b" / name)
    [line] = told()
    assert line == (
        f"2 files were moved by hand; `darkroom labels import --sorted {target}` counts them as labels"
    )
    import_sorted(store, str(target), "ann")
    assert told() == []


def test_one_picture_moved_to_two_classes_is_refused_and_nothing_recorded(
    pictures: Path, tmp_path: Path, store: str
):
    target = tmp_path / "sorted"
    (pictures / "1.jpg").write_bytes((pictures / "0.jpg").read_bytes())
    sort(pictures, {}, replace(MODEL, classes=("a", "b", "c")), copy_into=str(target))
    for name, label in {"0.jpg": "b", "1.jpg": "c"}.items():
        (target / label).mkdir()
        (target / "a" / name).rename(target / label / name)
    with pytest.raises(InputError, match="one class folder"):
        import_sorted(store, str(target), "ann")
    assert list(read_answers(store)) == []


def test_a_folder_that_nothing_was_sorted_into_has_no_labels(tmp_path: Path, store: str):
    with pytest.raises(InputError, match="--copy-into"):
        import_sorted(store, str(tmp_path), "ann")
