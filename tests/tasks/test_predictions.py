"""Rows and markers of a part, without Prefect or Ray."""

from pathlib import Path

import keras
import pyarrow.parquet as pq
import pytest

from tasks import models, storage
from tasks.errors import InputError
from tasks.predictions import PredictionPart, classify_part, part_url, plan_job, plan_parts
from tasks.registry import ModelVersion


def version(folder: Path, seed: int) -> ModelVersion:
    keras.utils.set_random_seed(seed)
    path = folder / f"{seed}.keras"
    models.build_cnn(classes=3, size_px=32).save(path)
    return ModelVersion(
        str(seed), "cnn", str(path), storage.sha256(path.read_bytes()), ("a", "b", "c"), 32, 1.0
    )


def only_part(images: Path, output: Path, model: ModelVersion) -> PredictionPart:
    [part] = plan_parts(plan_job.fn(str(images), str(output), model, "parquet"))
    return part


def test_a_marker_never_stands_beside_another_models_rows(sample, tmp_path, monkeypatch):
    images, output = sample / "seg_pred", tmp_path / "out"
    first, second = version(tmp_path, 1), version(tmp_path, 2)
    classify_part.fn(only_part(images, output, first))
    rows = pq.read_table(output / "part-00000.parquet")

    with monkeypatch.context() as killed:
        killed.setattr(storage, "write_json", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError, match="killed"):
            classify_part.fn(only_part(images, output, second))
    assert not pq.read_table(output / "part-00000.parquet").equals(rows)

    again = classify_part.fn(only_part(images, output, first))
    assert not again.skipped
    assert pq.read_table(output / "part-00000.parquet").equals(rows)
    assert classify_part.fn(only_part(images, output, first)).skipped


def test_only_our_own_parts_are_cleared_away(sample, tmp_path):
    output = tmp_path / "out"
    (output / "part-1").mkdir(parents=True)
    for name in ("part-1/photo.jpg", "part-notes.txt", "part-00007.parquet"):
        (output / name).write_bytes(b"x")
    part = only_part(sample / "seg_pred", output, version(tmp_path, 1))
    assert Path(part_url(part)).parent == output
    left = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    assert {"part-1/photo.jpg", "part-notes.txt"} <= left
    assert "part-00007.parquet" not in left


@pytest.mark.parametrize(("images", "output"), [("in", "in/out"), ("out/in", "out"), ("in", "in")])
def test_images_and_output_lie_apart(tmp_path, images, output):
    (tmp_path / images).mkdir(parents=True)
    with pytest.raises(InputError, match="inside each other"):
        plan_job.fn(str(tmp_path / images), str(tmp_path / output), version(tmp_path, 1), "parquet")
