"""At its end a run says in one line what waits for a person, and where."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from prefect.artifacts import Artifact
from prefect.states import State

from tasks import storage
from tasks.corrections import Answer, record_answers
from tasks.publishing import completed
from tasks.review import QUESTIONS, Desk
from tests.doubts import doubtful_store


def test_a_run_ends_with_how_many_questions_wait_how_long_they_take_and_a_link(
    prefect_api: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    doubts = doubtful_store(tmp_path)
    storage.write_record(storage.summary_url(doubts.output), {"verdict": "9 of 60 unsure"})
    alone = completed("result", doubts.output, doubts.store, doubts.output)
    assert isinstance(alone, State)
    assert re.fullmatch(r"9 of 60 unsure; \d+ questions; about \d minutes?", alone.message)
    waiting = alone.message.partition("; ")[2]
    assert alone.result() == "result"
    assert "darkroom review --store" in Artifact.get("review").data

    served = {"FILES_URL": "http://127.0.0.1:4201", "STORE": doubts.store, "PREDICTIONS": doubts.output}
    for name, value in served.items():
        monkeypatch.setenv(f"DARKROOM_{name}", value)
    retrained = completed("result", doubts.output, doubts.store)
    assert retrained.message == alone.message
    assert f"**{waiting}.** [Answer them](http://127.0.0.1:4201/review/)" in Artifact.get("review").data

    contents = {
        content for asked in Desk(doubts.store, doubts.output, 1_000).ask() for content in asked.contents
    }
    answer = Answer("", "drop", None, None, None, None, "unsure", None, "me", "2026-11-26T10:00:00+00:00")
    assert len(contents) < QUESTIONS
    record_answers(doubts.store, [replace(answer, sha256=content) for content in contents])
    assert completed("result", doubts.output, doubts.store, doubts.output).message == "9 of 60 unsure"
