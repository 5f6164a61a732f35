"""Nothing new, nothing trained: what counts as new, and what as finished."""

from dataclasses import replace
from pathlib import Path

import pytest

import tasks
from tasks import storage
from tasks.dataset import Manifest
from tasks.parameters import Gate, Training
from tasks.registry import news
from tasks.registry.news import code_digest, inputs_of, same_as_before
from tasks.storage import Run

IMAGES = "/data/photos"
MANIFEST = Manifest(IMAGES, "", "9f3c", ("a", "b"), 10, 0, 1, 150, 0.1, "exclude")
DEFAULTS = (Training(weights="none"), Gate(), 0.05)
INPUTS = inputs_of(MANIFEST, *DEFAULTS)


@pytest.fixture
def finished(store: str) -> Run:
    run = Run("2026-11-25T02-00-00-0001", store)
    summary = {
        "dataset": {"root": IMAGES},
        "models": {"cnn": {"version": run.version("cnn")}},
        "champion": {"promoted": False, "is_final": True},
    }
    storage.write_record(run.record_url, {"training": {}, "inputs": INPUTS})
    storage.write_record(storage.summary_url(run.folder_url), summary)
    storage.write_record(storage.version_record_url(run.version_url("cnn")), {})
    return run


def tonight(store: str) -> Run:
    return Run("2026-11-26T02-00-00-0002", store)


def test_the_same_inputs_as_those_of_the_last_finished_run_are_nothing_new(finished: Run):
    """Though it was refused, and a later exploration and a later run that died are beside it."""
    storage.write_record(Run("2026-11-25T03-00-00-0001", finished.store).record_url, {"training": {}})
    explored = Run("2026-11-25T04-00-00-0001", finished.store)
    storage.write_record(storage.summary_url(explored.folder_url), {"dataset": {"root": IMAGES}})
    assert same_as_before.fn(tonight(finished.store), MANIFEST, INPUTS) == finished


@pytest.mark.parametrize("what", ["data", "training", "gate", "bad share", "weights", "code", "older"])
def test_whatever_a_run_depends_on_is_new_when_it_changes(
    what: str, finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    manifest, (training, gate, bad_share) = MANIFEST, DEFAULTS
    if what == "data":
        manifest = replace(MANIFEST, fingerprint="9f3c-2")
    elif what == "training":
        training = Training(weights="none", seed=1)
    elif what == "gate":
        gate = Gate(min_accuracy=0.9)
    elif what == "bad share":
        bad_share = 0.01
    elif what == "code":
        monkeypatch.setattr(news, "code_digest", lambda: "another")
    elif what == "older":
        storage.write_record(finished.record_url, {"training": {}})
    if what == "weights":
        (tmp_path / "base.h5").write_bytes(b"first")
        training = Training(weights=str(tmp_path / "base.h5"))
        inputs = inputs_of(manifest, training, gate, bad_share)
        storage.write_record(finished.record_url, {"training": {}, "inputs": inputs})
        assert same_as_before.fn(tonight(finished.store), manifest, inputs) == finished
        (tmp_path / "base.h5").write_bytes(b"second")
    inputs = inputs_of(manifest, training, gate, bad_share)
    assert same_as_before.fn(tonight(finished.store), manifest, inputs) is None


@pytest.mark.parametrize("why", ["unjudged", "undecided", "no version", "another folder", "begun"])
def test_a_run_that_has_not_come_to_its_end_is_no_reason_not_to_train(why: str, finished: Run):
    run, manifest = tonight(finished.store), MANIFEST
    if why == "unjudged":
        url = storage.summary_url(finished.folder_url)
        failures = {"mobilenet_v2": "storage was away"}
        storage.write_record(url, storage.read_record(url) | {"failures": failures})
    if why == "undecided":
        url = storage.summary_url(finished.folder_url)
        undecided = {"promoted": False, "is_final": False}
        storage.write_record(url, storage.read_record(url) | {"champion": undecided})
    elif why == "no version":
        storage.remove(storage.models_url(finished.store))
    elif why == "another folder":
        manifest = replace(MANIFEST, images_url="/data/others")
    else:
        storage.write_record(run.record_url, {"training": {}, "inputs": INPUTS})
    assert same_as_before.fn(run, manifest, INPUTS) is None


def test_code_is_new_when_a_source_changes_that_models_depend_on_but_not_for_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tasks, "__file__", str(tmp_path / "__init__.py"))
    digests = []
    for name, text in (("training", "1"), ("training", "2"), ("pages", "1"), ("pages", "2")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "code.py").write_text(text)
        code_digest.cache_clear()
        digests.append(code_digest())
    code_digest.cache_clear()
    assert len(set(digests)) == 2
    assert digests[1] == digests[2] == digests[3]
