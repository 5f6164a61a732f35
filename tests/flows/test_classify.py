"""Bulk classification on a real Prefect API and a real Ray: one row a file, and no work done twice."""

import os
import shutil
from pathlib import Path

import cv2
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.classify import classify
from flows.cli.main import run
from tasks import events, storage
from tasks.errors import InputError
from tasks.parameters import Classification
from tasks.storage import Run, lock
from tests.events import payloads_of
from tests.faults.processes import until


@pytest.fixture(scope="module")
def classified(retrained: Run, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    output = str(tmp_path_factory.mktemp("classified") / "out")
    classify(str(sample), retrained.store, output)
    return output


def test_every_file_has_exactly_one_row(classified: str, sample: Path):
    rows = pq.read_table(f"{classified}/part-00000.parquet").to_pylist()
    files = sorted(str(path.relative_to(sample)) for path in sample.rglob("*") if path.is_file())
    files.remove("awkward.json")  # a side-car
    assert [row["path"] for row in rows] == files
    bad = {row["path"]: row["status"] for row in rows if row["status"] != "ok"}
    assert set(bad.values()) == {"corrupt"}
    assert all(row["error"] for row in rows if row["status"] != "ok")
    good = [row for row in rows if row["status"] == "ok"]
    assert all(row["label"] == row["top_labels"][0] for row in good)
    assert all(0 < row["confidence"] <= 1 for row in good)
    assert (
        'alt="The images the model was least sure of'
        in storage.read_bytes(f"{classified}/report.html").decode()
    )
    summary = storage.read_json(f"{classified}/summary.json")
    assert (summary["images"], summary["bad"]) == (len(files), len(files) - len(good))
    assert sum(summary["labels"].values()) == summary["ok"] == len(good)
    assert {row["engine"].split()[0] for row in good} == {"onnxruntime"}
    assert [record["feature"] for record in summary["drift"]] == [
        "labels",
        "confidence",
        "brightness",
        "sharpness",
    ]
    expected = summary["expected"]
    assert expected["accuracy"]["low"] < expected["accuracy"]["high"]
    assert sum(images["images"] for images in expected["classes"].values()) == pytest.approx(len(good))


def test_a_list_is_classified_and_what_it_names_in_vain_is_unreadable(
    retrained: Run, sample: Path, tmp_path: Path
):
    there = sorted(str(path.relative_to(sample)) for path in sample.rglob("*.jpg"))[:3]
    (tmp_path / "list.txt").write_text("\n".join([*there, "gone.jpg"]))
    options = Classification(files=str(tmp_path / "list.txt"))
    classify(str(sample), retrained.store, str(tmp_path / "out"), options=options)
    rows = pq.read_table(tmp_path / "out" / "part-00000.parquet").to_pylist()
    assert {row["path"]: row["status"] for row in rows} == dict.fromkeys(there, "ok") | {
        "gone.jpg": "unreadable"
    }


def test_a_second_run_does_no_work(classified: str, retrained: Run, sample: Path):
    before = {name: os.stat(f"{classified}/{name}").st_mtime_ns for name in os.listdir(classified)}
    summary = classify(str(sample), retrained.store, classified)
    assert summary["images"] == len(pq.read_table(f"{classified}/part-00000.parquet"))
    for name in ("part-00000.parquet", "_SUCCESS", "report.html"):
        assert os.stat(f"{classified}/{name}").st_mtime_ns == before[name]


@pytest.mark.parametrize(
    ("name", "remains"),
    [
        ("_SUCCESS", b""),
        ("_manifest.parquet", b"PAR1"),
        ("_lock.json", b""),
        ("_done/part-00000.json", b"{"),
        ("part-00000.parquet", None),
        ("part-00000.parquet", b"PAR1"),
        ("summary.json", None),
    ],
)
def test_an_output_of_which_something_was_lost_is_made_whole(
    classified: str,
    retrained: Run,
    sample: Path,
    tmp_path: Path,
    monkeypatch,
    name: str,
    remains: bytes | None,
):
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.1)
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.5)
    output = Path(shutil.copytree(classified, tmp_path / "out"))
    before = pq.read_table(output / "part-00000.parquet")
    (output / name).unlink(missing_ok=True)
    if remains is not None:
        (output / name).write_bytes(remains)
    summary = classify(str(sample), retrained.store, str(output))
    assert summary["images"] == len(before)
    assert pq.read_table(output / "part-00000.parquet").equals(before)
    assert storage.read_json(str(output / "_SUCCESS"))["key"]
    assert storage.read_record(str(output / "summary.json"))["images"] == len(before)


@pytest.fixture
def dark(sample: Path, tmp_path: Path) -> Path:
    """The test images as they look at night."""
    folder = tmp_path / "dark"
    folder.mkdir()
    for number, path in enumerate(sorted((sample / "seg_test").rglob("*.jpg"))):
        if (pixels := cv2.imread(str(path))) is not None:
            cv2.imwrite(str(folder / f"{number}.png"), pixels // 8)
    return folder


def test_another_folder_replaces_an_output_only_when_told_and_its_drift_is_an_event(
    classified: str, retrained: Run, dark: Path, tmp_path: Path
):
    classified = shutil.copytree(classified, str(tmp_path / "out"))
    with pytest.raises(InputError, match="of the same images"):
        classify(str(dark), retrained.store, classified)
    options = Classification(format="csv", replace=True)
    summary = classify(str(dark), retrained.store, classified, options=options)
    assert not Path(classified, "part-00000.parquet").exists()
    rows = pyarrow.csv.read_csv(f"{classified}/part-00000.csv").to_pylist()
    assert len(rows) == len(list(dark.iterdir()))
    assert ";" in rows[0]["top_labels"]
    assert [record["drifted"] for record in summary["drift"] if record["feature"] == "brightness"] == [True]
    assert "brightness" in [record["feature"] for record in drifts_told(dark)[0]["drift"]]


def test_drift_is_judged_on_the_new_files_alone_and_told_once(
    retrained: Run, sample: Path, dark: Path, tmp_path: Path
):
    inbox, output = Path(shutil.copytree(sample, tmp_path / "inbox")), str(tmp_path / "out")
    assert "brightness" not in classify(str(inbox), retrained.store, output)["drift_told"]
    for night in ("first", "second"):
        shutil.copytree(dark, inbox / night)
        summary = classify(str(inbox), retrained.store, output)
        assert summary["new_files"]["images"] == len(list(dark.iterdir()))
        assert "brightness" in names_of_drift(summary["new_files"]["drift"])
        assert "brightness" not in names_of_drift(summary["drift"])  # drowned
        assert summary["drift_told"].count("brightness") == 1
    told = drifts_told(inbox)
    assert len([payload for payload in told if "brightness" in payload["words"]]) == 1


def names_of_drift(records: list[dict]) -> list[str]:
    return [record["feature"] for record in records if record["drifted"]]


def drifts_told(images: Path) -> list[dict]:
    """What events of drift of a folder carry; the server has stored them some moments after they came."""
    payloads: list[dict] = []

    def some() -> list[dict]:
        payloads[:] = [
            payload for payload in payloads_of(events.DRIFT) if payload.get("images") == str(images)
        ]
        return payloads

    until(some)
    return payloads


def test_a_command_with_nothing_to_do_says_so_before_anything_is_started(
    classified: str,
    retrained: Run,
    sample: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Prefect and Ray take some twenty seconds. On a server that is configured every run is seen."""
    monkeypatch.setattr("flows.cli.jobs.prefect_api", lambda: pytest.fail("Prefect was started"))
    place = ["--images", str(sample), "--store", retrained.store]
    training = "--image-size 48 --epochs 8 --patience 8 --weights none --batch-size 16 --precision float32"
    retraining = ["retrain", *place, *training.split(), "--min-accuracy", "0", "--min-class-recall", "0"]
    classification = ["classify", *place, "--output", classified]
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert run(retraining) == run(classification) == 0
        told = capsys.readouterr()
        for line in (f"Nothing new since {retrained.name}", "Nothing to do: ", "Listed "):
            assert line in told.err
        for url in (storage.report_url(retrained.folder_url), storage.report_url(classified)):
            assert url in told.out
        for news in (["--seed", "1"], ["--force"]):
            with pytest.raises(pytest.fail.Exception, match="Prefect was started"):
                run([*retraining, *news])
        with pytest.raises(pytest.fail.Exception, match="Prefect was started"):
            run([*classification, "--min-confidence", "0.5"])
