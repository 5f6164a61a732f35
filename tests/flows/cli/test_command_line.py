"""Every mistake gets one line and the right exit status; every command names what it wrote."""

import inspect
import itertools
import logging
import pkgutil
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cyclopts import App

from flows.cli import jobs
from flows.cli.main import COMMANDS, run
from tasks import storage
from tasks.parameters import Training
from tasks.registry.promotions import champion
from tasks.registry.versions import read_record
from tasks.storage import Run


@pytest.fixture
def folder(sample: Path, tmp_path: Path) -> Path:
    """A copy of the sample to spoil."""
    return Path(shutil.copytree(sample, tmp_path / "images"))


@pytest.mark.parametrize(
    ("spoil", "flags", "status", "complaint"),
    [
        (lambda folder: folder / "nowhere", [], 2, "a path that does not exist"),
        (lambda folder: folder, ["--weights", "/no/such/weights.h5"], 2, "/no/such/weights.h5"),
        (lambda folder: folder, ["--max-bad-share", "0"], 1, "corrupt"),
    ],
)
def test_a_retraining_that_cannot_be_says_why_in_one_line(
    folder, store, one_ray, capsys, spoil, flags, status, complaint
):
    flags = ["--weights", "none", *flags] if "--weights" not in flags else flags
    assert run(["retrain", "--images", str(spoil(folder)), "--store", store, *flags]) == status
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("darkroom:")]
    assert complaint in line


def test_a_person_who_retrains_on_what_was_trained_on_is_told_how_to_do_so_all_the_same(
    retrained: Run, sample: Path, one_ray: None, capsys: pytest.CaptureFixture[str]
):
    flags = "--image-size 48 --epochs 8 --patience 8 --weights none --batch-size 16 --precision float32"
    gate = "--min-accuracy 0 --min-class-recall 0"
    place = ["--images", str(sample), "--store", retrained.store]
    assert run(["retrain", *place, *flags.split(), *gate.split()]) == 0
    told = capsys.readouterr()
    [line] = [line for line in told.err.splitlines() if "--force" in line]
    assert f"Nothing new since {retrained.name}" in line
    assert storage.report_url(retrained.folder_url) in told.out


def test_a_store_that_cannot_be_written_is_refused(folder, one_ray, tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    assert run(["explore", "--images", str(folder), "--store", str(tmp_path / "file" / "store")]) == 2
    assert "`store` must be a folder" in capsys.readouterr().err


@pytest.mark.parametrize("mistake", ["images", "store", "weights", "resume", "resumed parameters"])
def test_what_shows_without_prefect_and_ray_is_told_before_they_are_started(
    mistake: str, folder: Path, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Prefect and Ray take some ten seconds."""
    monkeypatch.setattr(jobs, "prefect_api", lambda: pytest.fail("Prefect was started"))
    if mistake == "resumed parameters":
        record = {"dataset": "d", "training": Training(weights="none", seed=1).model_dump(mode="json")}
        storage.write_record(Run("killed", store).record_url, record)
    (tmp_path / "file").touch()
    flags = {"--images": str(folder), "--store": store, "--weights": "none"} | {
        "images": {"--images": str(tmp_path / "nowhere")},
        "store": {"--store": str(tmp_path / "file" / "store")},
        "weights": {"--weights": str(tmp_path / "nowhere.h5")},
        "resume": {"--resume": "nothing"},
        "resumed parameters": {"--resume": "killed"},
    }[mistake]
    started = time.process_time()
    assert run(["retrain", *itertools.chain(*flags.items())]) == 2
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("explore --images nowhere", "`images`"),
        ("explore --images {sample} --weights nowhere.h5", "`weights`"),
        ("classify --images nowhere", "`images`"),
        ("classify --images {sample} --store .", "champion"),
    ],
)
def test_the_other_jobs_tell_at_once_what_shows_at_once(
    command, complaint, sample, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flows.cli.jobs.prefect_api", lambda: pytest.fail("Prefect was started"))
    assert run(command.format(sample=sample).split()) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["retrain", "--images", "x", "--epochs", "0"], "--epochs"),
        (["retrain", "--images", "x", "--models", "cnn,resnet"], "resnet"),
        (["retrain"], "--images"),
        (["classify", "--output", "x"], "--images"),
        (["retrain", "--images", "x", "--test-share", "5"], "for 5 % write 0.05"),
        (["retrain", "--images", "x", "--min-accuracy", "92.5%"], "for 92.5 % write 0.925"),
        (["retrain", "--images", "x", "--max-bad-share", "5%"], "for 5 % write 0.05"),
        (["classify", "my photos", "--store", "x"], "`darkroom classify --images 'my photos'`"),
        (["retrain", "photos"], "`darkroom retrain --images photos`"),
        (["explore", "photos"], "`darkroom explore --images photos`"),
        (["retrain", "--images", "a", "b"], "no such word: `darkroom retrain --help`"),
        (["models", "list", "store"], "no such word: `darkroom models list --help`"),
        (
            ["classify", "--images", "x", "--output", "y", "--copy-into", "a", "--symlink-into", "b"],
            "not both",
        ),
        (["fly"], "fly"),
        (["models", "list", "--store", "."], "must hold model versions"),
        (["models", "history", "--store", "."], "without promotions"),
        (["models", "export", "champion", "--format", "onnx", "--store", "."], "a champion"),
        (["models", "export", "champion", "--format", "pickle"], "pickle"),
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


def commands_with_a_store() -> Iterator[tuple[str, Callable[..., None]]]:
    for place in COMMANDS:
        command = pkgutil.resolve_name(place)
        name = place.partition(":")[2]
        group = isinstance(command, App)
        parts = (
            {f"{name} {part}": command[part].default_command for part in command}
            if group
            else {name: command}
        )
        for words, function in parts.items():
            if (
                not words.endswith(("-h", "--help", "--version"))
                and "store" in inspect.signature(function).parameters
            ):
                yield words, function


MAKES_A_STORE = {"explore", "retrain", "labels import"}


def test_every_command_that_makes_no_store_refuses_one_that_is_not_there(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    values = {"images": f"--images {sample}", "format": "--format onnx", "version": "v", "file": "file.csv"}
    commands = dict(commands_with_a_store())
    assert commands.keys() > MAKES_A_STORE | {"classify", "review", "clean", "labels list", "models show"}
    for words in commands.keys() - MAKES_A_STORE:
        parameters = inspect.signature(commands[words]).parameters.values()
        needed = [values[one.name] for one in parameters if one.default is one.empty]
        assert run([*words.split(), *" ".join(needed).split(), "--store", "nostore"]) == 2, words
        assert "path that does not exist: 'nostore'" in capsys.readouterr().err, words
    assert not list(tmp_path.iterdir())


@pytest.fixture
def models(retrained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What `darkroom models ...` prints of a store with two versions, the same one in all of a test."""
    store = shutil.copytree(retrained.store, tmp_path / "store")

    def output_of(*arguments: str) -> str:
        assert run(["models", *arguments, "--store", str(store)]) == 0
        return capsys.readouterr().out

    return output_of


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_versions_of_a_store_fit_in_a_table(models, retrained: Run, monkeypatch, width: int):
    monkeypatch.setattr("flows.cli.terminal.PIPE_COLUMNS", width)
    head, *rows = models("list").splitlines()
    assert max(map(len, [head, *rows])) <= width
    assert len(rows) == len(storage.names(f"{retrained.store}/models")) - 2  # champion.json, promotions
    assert [row.startswith("* ") for row in rows].count(True) == 1
    assert ("dataset" in head) == (width == 160)
    record = read_record(retrained.store, f"{retrained.name}-cnn")
    [row] = [row for row in rows if record["version"] in row]
    least = min(one["recall"] for one in record["per_class"])
    assert f"{record['metrics']['accuracy']:.3f}" in row.split()
    assert width == 60 or f"{least:.3f}" in row.split()


def test_a_version_is_promoted_and_rolled_back_for_reasons_that_history_tells(models, retrained: Run):
    present = champion(retrained.store)
    [other] = {f"{retrained.name}-{kind}" for kind in ("cnn", "mobilenet_v2")} - {present}
    assert other in models("promote", other, "--reason", "[red]fog[/red]")
    assert present in models("rollback", "--reason", "the fog went")
    output = " ".join(models("history").split())
    assert f"promoted {other} promoted by hand: [red]fog[/red]" in output
    assert f"back to {present} rolled back from {other}: the fog went" in output
    assert output.index("first champion") < output.index("by hand") < output.index("rolled back")
    assert f"Champion: {present}" in output
    assert present in models("hold", "--reason", "audit week")
    assert f"Champion: {present} (held by hand: audit week)" in models("history")
    assert present in models("release")
    shown = " ".join(models("show", "champion").split())
    for fact in (
        f"{present}, the champion",
        "on the test images 13 images",
        "calibration error",
        "rolled back from",
        "card.md",
        "precision",
        "95% right from",
    ):
        assert fact in shown


def test_a_version_that_was_measured_by_less_is_shown_with_a_dash(models, retrained: Run, tmp_path: Path):
    url = storage.version_record_url(f"{tmp_path}/store/models/{champion(retrained.store)}")
    record = storage.read_record(url)
    del record["metrics"]["brier"]
    storage.write_record(url, record)
    shown = " ".join(models("show", "champion").split())
    assert "Brier score \N{EN DASH} calibration error" in shown


def test_a_version_is_exported_if_it_answers_its_test_images_alike(models, tmp_path: Path):
    output = models("export", "champion", "--format", "onnx", "--output", str(tmp_path / "out"))
    assert "on 13 test images of its dataset" in output
    assert storage.names(str(tmp_path / "out")) == ["card.md", "labels.txt", "model.onnx"]


def test_help_needs_nothing_heavy_and_says_what_the_commands_say_of_themselves():
    code = "import flows.cli.main, sys; print({'tensorflow', 'prefect', 'ray', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    for place, words in COMMANDS.items():
        command = pkgutil.resolve_name(place)
        said = command.help if isinstance(command, App) else inspect.getdoc(command)
        assert said.splitlines()[0] == words


def test_a_command_imports_nothing_that_takes_long_and_that_it_does_not_use():
    """Most took a tenth to half a second of every command and of each of Ray's workers; TensorFlow six."""
    heavy = {"tensorflow", "keras", "onnx", "pandas", "ray.train", "ray.data", "sklearn", "scipy.stats"}
    heavy |= {"matplotlib.figure", "prefect.server"}
    code = f"import flows.cli.jobs, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_no_name_moves_the_cursor_or_passes_for_a_line_of_its_own(capsys, tmp_path: Path):
    evil = str(tmp_path / "\x1b[2K\x1b]0;taken\x07\r12:00:00  all is well\u202e\nx")
    assert run(["models", "list", "--store", evil]) == 2
    logging.getLogger("darkroom").warning("Left out: %s", evil)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(letter.isprintable() for line in lines for letter in line)
