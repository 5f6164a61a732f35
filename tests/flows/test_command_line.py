"""Every mistake gets one line and the right exit status; every command names what it wrote."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.__main__ import run
from tasks import storage
from tasks.training import Run


@pytest.fixture
def folder(sample: Path, tmp_path: Path) -> Path:
    """A copy of the sample to spoil."""
    return Path(shutil.copytree(sample, tmp_path / "images"))


def only(folder: Path, *kept: str) -> Path:
    for path in folder.rglob("*"):
        if path.is_file() and not str(path.relative_to(folder)).startswith(kept):
            path.unlink()
    return folder


@pytest.mark.parametrize(
    ("spoil", "flags", "status", "complaint"),
    [
        (lambda folder: folder / "nowhere", [], 2, "a path that does not exist"),
        (lambda folder: only(folder, "nothing"), [], 2, "empty folder"),
        (
            lambda folder: only(folder, "seg_train/seg_train/sea", "seg_test/seg_test/sea"),
            [],
            2,
            "only 'sea'",
        ),
        (lambda folder: only(folder, "seg_train"), [], 2, "no test images"),
        (lambda folder: folder, ["--weights", "/no/such/weights.h5"], 2, "/no/such/weights.h5"),
        (lambda folder: folder, ["--max-bad-share", "0"], 1, "corrupt"),
    ],
)
def test_a_retraining_that_cannot_be_says_why_in_one_line(
    folder, store, prefect_api, capsys, spoil, flags, status, complaint
):
    flags = ["--weights", "none", *flags] if "--weights" not in flags else flags
    assert run(["retrain", "--images", str(spoil(folder)), "--store", store, *flags]) == status
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("darkroom:")]
    assert complaint in line


def test_a_store_that_cannot_be_written_is_refused(folder, prefect_api, tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    assert run(["explore", "--images", str(folder), "--store", str(tmp_path / "file" / "store")]) == 2
    assert "`store` must be a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["retrain", "--images", "x", "--epochs", "0"], "--epochs"),
        (["retrain", "--images", "x", "--models", "cnn,resnet"], "resnet"),
        (["retrain"], "--images"),
        (["classify", "--images", "x"], "--output"),
        (
            ["classify", "--images", "x", "--output", "y", "--copy-into", "a", "--symlink-into", "b"],
            "not both",
        ),
        (["fly"], "fly"),
        (["models", "list", "--store", "nowhere"], "must hold model versions"),
        (["sample", "there", "--images-per-class", "1"], "images_per_class"),
    ],
)
def test_bad_arguments_end_in_one_line_and_status_2(arguments, complaint, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("darkroom:")
    assert complaint in error
    assert error.count("\n") == 1


def test_the_models_of_a_store_are_listed_shown_promoted_and_rolled_back(retrained: Run, tmp_path, capsys):
    store = str(shutil.copytree(retrained.store, tmp_path / "store"))
    first, second = (f"{retrained.name}-{kind}" for kind in ("cnn", "mobilenet_v2"))
    assert run(["models", "list", "--store", store]) == 0
    listed = capsys.readouterr().out
    assert first in listed
    assert "*" in listed
    present = storage.read_json(f"{store}/models/champion.json")["version"]
    other = second if present == first else first
    assert run(["models", "promote", other, "--store", store]) == 0
    assert other in capsys.readouterr().out
    assert run(["models", "rollback", "--store", store]) == 0
    assert present in capsys.readouterr().out
    assert run(["models", "show", "champion", "--store", store]) == 0
    assert present in capsys.readouterr().out


def test_help_starts_without_tensorflow():
    code = "import flows.__main__, sys; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
