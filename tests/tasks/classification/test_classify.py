"""Rows and markers of a part, without Prefect or Ray."""

import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import ray

from tasks import storage
from tasks.classification.classify import check_room, classify_partition, room_for
from tasks.classification.job import Partition, partitions, plan_job
from tasks.classification.rows import read_part, read_rows
from tasks.classification.sorting import open_sorting
from tasks.classification.tally import Tally
from tasks.errors import InputError
from tasks.evaluation.likeness import learn_likeness, write_likeness
from tasks.networks import architectures
from tasks.networks.convert import export_onnx
from tasks.networks.keras_engine import TensorflowClassifier
from tasks.networks.version import ModelVersion
from tasks.parameters import Classification
from tasks.pictures import decode_image
from tests.fuzz.corpus import encode, photo, photograph


def version(folder: Path, seed: int) -> ModelVersion:
    keras.utils.set_random_seed(seed)
    path = folder / str(seed) / "model.keras"
    path.parent.mkdir()
    architectures.build_cnn(classes=3, size_px=32).save(path)
    return ModelVersion(
        str(seed), "cnn", str(path.parent), storage.sha256(path.read_bytes()), ("a", "b", "c"), 32, 1.0
    )


def telling(model: ModelVersion, unlike_below: float) -> ModelVersion:
    """The same version with a likeness that is 0 in the mean over noise."""
    path, noise = Path(model.folder_url), np.random.default_rng(0).integers(0, 255, (64, 32, 32, 3), np.uint8)
    classifier = TensorflowClassifier(str(path / "model.keras"))
    features, head = classifier.look(noise)[1], classifier.model.get_layer("logits").get_weights()
    write_likeness(
        learn_likeness(features, np.arange(64) % 3, features, *head), storage.likeness_url(str(path))
    )
    sha256 = storage.sha256((path / "likeness.npz").read_bytes())
    return replace(model, unlike_below=unlike_below, likeness_sha256=sha256)


def only_partition(images: Path, output: Path, model: ModelVersion, **options: object) -> Partition:
    [partition] = partitions(plan_job.fn(str(images), str(output), model, Classification(**options)))
    return partition


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_the_next_night_keeps_the_rows_of_what_is_still_there(sample, tmp_path, format):
    images, output, model = tmp_path / "in", tmp_path / "out", version(tmp_path, 1)
    images.mkdir()
    files = sorted((sample / "seg_pred/seg_pred").iterdir())
    for file in files[:5]:
        (images / file.name).write_bytes(file.read_bytes())
    classify_partition.fn(only_partition(images, output, model, format=format))
    before = read_part(str(output / f"part-00000.{format}"))

    (images / files[1].name).unlink()
    (images / files[5].name).write_bytes(files[5].read_bytes())
    partition_a, partition_b = partitions(
        plan_job.fn(str(images), str(output), model, Classification(format=format)), concurrency=2
    )
    assert classify_partition.fn(partition_a).classified == 0
    assert classify_partition.fn(partition_b).classified == 1
    rows = pa.concat_tables(read_rows(partition_a.job))
    assert rows["path"].to_pylist() == [file.name for file in (files[0], *files[2:6])]
    rows_kept = before.filter(pa.array([True, False, True, True, True]))
    assert read_part(str(output / f"part-00000.{format}")).equals(rows_kept)


def test_a_part_that_gained_a_file_is_never_taken_for_one_that_lost_some(sample, tmp_path):
    images, output, model = sample / "seg_pred", tmp_path / "out", version(tmp_path, 1)
    first = sorted(path.name for path in (images / "seg_pred").iterdir())[0]
    whole = only_partition(images, output, model)
    classify_partition.fn(only_partition(images, output, model, include=[f"*{first}"]))
    only_partition(images, output, model, min_confidence=0.5)
    assert only_partition(images, output, model).job.plan.series == whole.job.plan.series
    classify_partition.fn(whole)
    fresh = only_partition(images, tmp_path / "fresh", model)
    classify_partition.fn(fresh)
    [rows], [expected] = read_rows(whole.job), read_rows(fresh.job)
    assert rows.equals(expected)


def test_pictures_are_fitted_as_the_model_was_trained_and_told_with_their_size_and_time(tmp_path):
    images, model = tmp_path / "in", replace(version(tmp_path, 1), fit="pad")
    images.mkdir()
    data = encode(photo((120, 40)), "JPEG", exif=photograph("2024:05:06 07:08:09", "+02:00"))
    (images / "wide.jpg").write_bytes(data)
    partition = only_partition(images, tmp_path / "out", model)
    classify_partition.fn(partition)
    [row] = pa.concat_tables(read_rows(partition.job)).to_pylist()
    assert (row["width"], row["height"], row["captured"]) == (120, 40, "2024-05-06T07:08:09+02:00")

    def confidence(fit: str) -> float:
        pixels = decode_image(data, model.size_px, fit=fit).pixels
        classifier = TensorflowClassifier(storage.model_url(model.folder_url), model.sha256)
        return float(classifier.predict(pixels[None]).max())

    assert row["confidence"] == pytest.approx(confidence("pad"), abs=1e-5)
    assert row["confidence"] != pytest.approx(confidence("squeeze"), abs=1e-4)


def test_as_many_tasks_run_at_once_as_the_nodes_hold(monkeypatch):
    nodes = [
        {"Alive": True, "Resources": {"CPU": 7.0, "GPU": 1.0}},
        {"Alive": True, "Resources": {"CPU": 2.0}},
    ]
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes, {"Alive": False, "Resources": {"CPU": 64.0}}])
    assert room_for(Classification(cpus_per_task=2)) == 4
    assert room_for(Classification(cpus_per_task=2, gpus_per_task=0.5)) == 2
    with pytest.raises(InputError, match="Received 8 CPUs and 0 GPUs"):
        check_room(Classification(cpus_per_task=8))


def test_files_that_vanish_or_change_while_it_runs_are_put_right_by_the_next_run(sample, tmp_path):
    images, output, model = tmp_path / "in", tmp_path / "out", version(tmp_path, 1)
    shutil.copytree(sample / "seg_pred/seg_pred", images)
    first, second, third, *_ = sorted(images.iterdir())
    partition = only_partition(images, output, model)
    first.unlink()
    shutil.copy(third, second)
    classify_partition.fn(partition)
    [rows] = read_rows(partition.job)
    assert rows["status"].to_pylist()[0] == "unreadable"

    for partition in partitions(plan_job.fn(str(images), str(output), model, Classification())):
        classify_partition.fn(partition)
    classify_partition.fn(only_partition(images, tmp_path / "fresh", model))
    again = pa.concat_tables(read_rows(partition.job)).sort_by("path")
    [untouched] = read_rows(only_partition(images, tmp_path / "fresh", model).job)
    assert again.equals(untouched)


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_a_file_that_could_not_be_read_is_tried_again_and_no_other(sample, tmp_path, format):
    images, output, model = tmp_path / "in", tmp_path / "out", version(tmp_path, 1)
    shutil.copytree(sample / "seg_pred/seg_pred", images)
    file = sorted(images.iterdir())[1]
    partition = only_partition(images, output, model, format=format)
    file_away = file.rename(tmp_path / "away.jpg")
    classify_partition.fn(partition)
    file_away.rename(file)
    assert classify_partition.fn(only_partition(images, output, model, format=format)).classified == 1
    assert classify_partition.fn(only_partition(images, output, model, format=format)).classified == 0
    at_once = only_partition(images, tmp_path / "at-once", model, format=format)
    classify_partition.fn(at_once)
    rows, expected = (read_part(f"{job.output}/part-00000.{format}") for job in (partition.job, at_once.job))
    assert rows.equals(expected)


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_an_image_unlike_what_was_trained_on_gets_no_label_and_is_sorted_into_no_class(
    sample, tmp_path, format
):
    images, model = sample / "seg_pred", version(tmp_path, 1)
    options = {"format": format, "copy_into": str(tmp_path / "sorted")}
    partition = only_partition(images, tmp_path / "out", telling(model, 1e9), **options)
    open_sorting(partition.job)
    bad = classify_partition.fn(partition).bad
    [rows] = read_rows(partition.job)
    assert set(rows["status"].to_pylist()) == {"unlike", "corrupt"}
    unlike = rows.filter(pc.equal(rows["status"], "unlike"))
    assert (unlike["label"].null_count, unlike["likeness"].null_count) == (len(unlike), 0)
    assert bad == len(rows) - len(unlike)
    in_folders = {path.parent.parent.name for path in (tmp_path / "sorted").rglob("*.[jp][pn]g")}
    assert in_folders == {"_unlike"}
    tally = Tally()
    tally.add(rows)
    assert (tally.statuses["unlike"], tally.labels, len(tally.bad)) == (len(unlike), {}, bad)
    assert [row["path"] for row in tally.unlike] == unlike.sort_by("likeness")["path"].to_pylist()


def test_the_exported_model_finds_the_same_images_unlike(sample, tmp_path):
    model = telling(version(tmp_path, 1), -1.0)
    assert export_onnx(model.folder_url, np.zeros((8, 32, 32, 3), np.uint8))
    onnx = replace(model, onnx_sha256=storage.sha256(Path(model.folder_url, "model.onnx").read_bytes()))
    tables = []
    for number, of_engine in enumerate((model, onnx)):
        partition = only_partition(sample / "seg_pred", tmp_path / str(number), of_engine)
        classify_partition.fn(partition)
        tables += read_rows(partition.job)
    by_keras, by_onnx = tables
    assert set(by_onnx["engine"].to_pylist()) != set(by_keras["engine"].to_pylist())
    assert by_onnx["status"].equals(by_keras["status"])
    assert np.allclose(*(pc.drop_null(table["likeness"]) for table in tables), atol=1e-3)


def test_a_version_of_an_older_darkroom_calls_nothing_unlike_and_its_rows_are_read_as_they_are(
    sample, tmp_path
):
    partition = only_partition(sample / "seg_pred", tmp_path / "out", version(tmp_path, 1))
    classify_partition.fn(partition)
    url = str(tmp_path / "out/part-00000.parquet")
    older = storage.read_table(url)
    assert set(older["status"].to_pylist()) == {"ok", "corrupt"}
    storage.write_table(url, older.drop_columns(["likeness"]))
    assert read_part(url).equals(older)
    [rows] = read_rows(partition.job)
    assert rows["likeness"].null_count == len(rows)


def test_rows_the_model_is_not_sure_of_say_so(sample, tmp_path):
    partition = only_partition(sample / "seg_pred", tmp_path / "out", version(tmp_path, 1), min_confidence=1)
    classify_partition.fn(partition)
    [rows] = read_rows(partition.job)
    assert set(rows["status"].to_pylist()) == {"unsure", "corrupt"}
    unsure = rows.filter(pc.equal(rows["status"], "unsure"))
    assert unsure["label"].null_count == 0


def test_a_label_is_sure_from_where_its_class_is_as_precise_as_asked(sample, tmp_path):
    model = version(tmp_path, 1)
    steps = {"a": [[0.2, 0.5, 1.0], [0.34, 0.95, 0.4]], "b": [[0.2, 0.9, 1.0]], "c": [[0.1, 0.96, 1.0]]}
    thresholds = [{"class": name, "images": 40, "steps": of_class} for name, of_class in steps.items()]
    storage.write_record(storage.version_record_url(model.folder_url), {"thresholds": thresholds})
    asked = {"min_precision": 0.95, "min_confidence": 0.3}
    partition = only_partition(sample / "seg_pred", tmp_path / "out", model, **asked)
    assert partition.job.sure_from == (0.34, np.inf, 0.3)
    classify_partition.fn(partition)
    [rows] = read_rows(partition.job)
    labelled = [row for row in rows.to_pylist() if row["label"]]
    least = dict(zip("abc", partition.job.sure_from, strict=True))
    assert {row["status"] for row in labelled} == {"ok", "unsure"}
    assert all((row["status"] == "ok") == (row["confidence"] >= least[row["label"]]) for row in labelled)
    storage.write_record(storage.version_record_url(model.folder_url), {})
    with pytest.raises(InputError, match="older Darkroom: retrain, or give `min_confidence`"):
        only_partition(sample / "seg_pred", tmp_path / "out", model, **asked)


def test_only_our_own_parts_are_cleared_away(sample, tmp_path):
    output = tmp_path / "out"
    (output / "part-1").mkdir(parents=True)
    for name in ("part-1/photo.jpg", "part-notes.txt", "part-00007.parquet"):
        (output / name).write_bytes(b"x")
    only_partition(sample / "seg_pred", output, version(tmp_path, 1))
    files_after = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    assert {"part-1/photo.jpg", "part-notes.txt"} <= files_after
    assert "part-00007.parquet" not in files_after


def test_files_are_sorted_into_class_folders_and_the_originals_stay(sample, tmp_path):
    images, output, target = sample / "seg_pred", tmp_path / "out", tmp_path / "sorted"
    before = sorted(images.rglob("*"))
    model = version(tmp_path, 1)

    def sort(**options: object) -> list[dict]:
        partition = only_partition(images, output, model, **options)
        open_sorting(partition.job)
        classify_partition.fn(partition)
        return [row for rows in read_rows(partition.job) for row in rows.to_pylist()]

    rows = sort(symlink_into=str(target))
    links = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_symlink()}
    assert links == {f"{row['label']}/{row['path']}" for row in rows if row["status"] == "ok"}
    assert all((target / path).resolve().is_file() for path in links)

    rows = sort(copy_into=str(target), min_confidence=1.0)
    files = {str(path.relative_to(target)) for path in target.rglob("*.jpg")}
    assert files == {f"_unsure/{row['path']}" for row in rows if row["status"] == "unsure"}
    assert not any((target / path).is_symlink() for path in files)
    assert sorted(images.rglob("*")) == before

    with pytest.raises(InputError, match="empty or new folder"):
        sort(copy_into=str(output))


def test_what_a_killed_run_committed_is_sorted_by_the_next(sample, tmp_path):
    images, output, target = tmp_path / "in", tmp_path / "out", tmp_path / "sorted"
    model = version(tmp_path, 1)
    shutil.copytree(sample / "seg_pred/seg_pred", images)

    def classify(**options: object) -> None:
        job = plan_job.fn(str(images), str(output), model, Classification(**options))
        open_sorting(job)
        for partition in partitions(job):
            classify_partition.fn(partition)

    classify(symlink_into=str(target))
    link = next(path for path in target.rglob("*") if path.is_symlink())
    (images / link.name).write_bytes(b"no image any more")
    classify()
    assert link.is_symlink()
    classify(symlink_into=str(target))
    assert not link.is_symlink()

    vanished = next(path for path in target.rglob("*") if path.is_symlink())
    (images / vanished.name).unlink()
    classify(symlink_into=str(target))
    assert not vanished.is_symlink()
    assert any(path.is_symlink() for path in target.rglob("*"))
