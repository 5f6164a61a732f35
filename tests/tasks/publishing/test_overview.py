"""The page over all runs tells each of them once, whoever writes it and whatever was removed."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tasks import storage
from tasks.corrections import Answer, record_answers
from tasks.pages.chart import chart
from tasks.publishing import note_classification, overview
from tasks.publishing.history import read_reviews
from tasks.publishing.overview import champion_line, write_overview
from tasks.registry.promotions import append_promotion, hold_champion, read_promotions, roll_back
from tests.older import make_older
from tests.tasks.pages import records
from tests.tasks.pages.browser import EVIL, Page


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """summary.json and model.json of a retraining, in a store of their own."""
    store, metrics = str(tmp_path_factory.mktemp("store")), records.metrics()
    return records.summary(store, {"cnn": metrics}), records.model_record(store, metrics)


@pytest.fixture
def night(store: str, one_run: tuple[dict[str, Any], dict[str, Any]]) -> Callable[..., str]:
    """Make a retraining of another night and accuracy in the store. Returns its name.

    right: how many of the 100 test images that the champion did not know it got right.
    """

    def make(
        number: int, accuracy: float, promoted: bool, previous: str | None = None, right: int = 0
    ) -> str:
        summary, version = deepcopy(one_run)
        run = f"2026-11-{number:02}T03-00-00-{number:04x}"
        accuracies = {"accuracy": accuracy, "low": accuracy - 0.02, "high": accuracy + 0.02}
        verdict = summary["champion"]
        verdict |= {"version": f"{run}-cnn", "promoted": promoted, "reason": EVIL, "previous": previous}
        right_of_both = {"images": 100, "both_right": right - 5, "only_first": 5, "only_second": 1}
        verdict["comparison"] = verdict["comparison"] | right_of_both if previous else None
        summary |= {"run": run, "started": f"2026-11-{number:02}T03:00:00+00:00"}
        summary["models"]["cnn"]["version"] = f"{run}-cnn"
        for test in (summary["models"]["cnn"]["test"], version["metrics"]):
            test |= accuracies
        storage.write_record(storage.summary_url(storage.join(store, "runs", run)), summary)
        version["version"] = f"{run}-cnn"
        storage.write_record(storage.version_record_url(storage.version_url(store, f"{run}-cnn")), version)
        if promoted:
            promotions = len(read_promotions(store))
            assert append_promotion(store, promotions, "promote", f"{run}-cnn", "better")
        return run

    return make


@pytest.fixture
def nights(store: str, night: Callable[..., str]) -> list[str]:
    first = night(1, 0.90, promoted=True)
    second = night(2, 0.85, promoted=False, previous=f"{first}-cnn", right=88)
    third = night(3, 0.93, promoted=True, previous=f"{first}-cnn", right=88)
    storage.write_bytes(storage.join(store, "runs", "2026-11-04T03-00-00-0004", "report.html"), b"")
    return [first, second, third]


def read(store: str) -> Page:
    return Page(storage.read_bytes(storage.overview_url(store)).decode())


def test_every_run_is_linked_newest_first_and_the_champion_marked(store: str, nights: list[str]):
    write_overview(store)
    page = read(store)
    assert page.links[1:] == [f"runs/{run}/report.html" for run in reversed(nights)]
    assert page.texts_of("p", "champion") == ["93.0 % 91.0 % to 95.0 % cnn"]
    assert "the best of 3 challengers or more" in page.text
    assert [len(page.texts_of("td", "verdict")), page.tags["circle"]] == [3, 3]
    roll_back(store)
    write_overview(store)
    assert read(store).texts_of("p", "champion") == ["90.0 % 88.0 % to 92.0 % cnn"]


def test_the_line_follows_the_champion_on_each_nights_images(store: str, nights: list[str]):
    line = champion_line(overview.read_summaries(store))
    assert [(point["accuracy"], point["promoted"]) for point in line] == [
        (0.90, True),
        (0.88, False),
        (0.93, True),
    ]
    assert line[1]["version"] == f"{nights[0]}-cnn"


def test_a_champion_that_an_older_version_judged_at_another_size_is_not_on_the_line(
    store: str, nights: list[str]
):
    summaries = overview.read_summaries(store)
    summaries[1]["training"] = summaries[1]["training"] | {"image_size": 32}
    assert [point["accuracy"] for point in champion_line(summaries)] == [0.90, 0.93]
    summaries[1]["champion"]["comparison"]["champion_size_px"] = 150
    assert len(champion_line(summaries)) == 3


def test_a_run_that_was_removed_is_gone_from_the_page_but_its_champion_is_not(store: str, nights: list[str]):
    write_overview(store)
    storage.remove(storage.join(store, "runs", nights[2]))
    write_overview(store)
    page = read(store)
    assert page.links[1:] == [f"runs/{run}/report.html" for run in (nights[1], nights[0])]
    [score] = page.texts_of("p", "score")
    assert score.startswith("93.0 %")
    assert "91.0 % to 95.0 %" in score
    assert page.texts_of("p", "reason") == [f"Version {nights[2]}-cnn"]


def test_the_home_page_tells_all_that_happened_who_did_it_and_why(
    store: str, nights: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LOGNAME", "ada")
    assert roll_back(store, "too many false seas") == f"{nights[0]}-cnn"
    hold_champion(store, "until spring")
    classified, _ = records.classification(tmp_path, [records.prediction("sea.jpg", "sea", 0.9)])
    output = f"{tmp_path}/outputs of/night"
    answer = Answer(
        "0" * 64,
        "drop",
        None,
        None,
        None,
        None,
        "wrong_label",
        None,
        "grace",
        "2098-12-01T03:00:10.000+00:00",
    )
    record_answers(store, [answer])
    note_classification(store, classified | {"output": output})
    exploration = storage.join(store, "runs", "2026-12-01T03-00-00-abcd")
    summary = {"kind": "exploration", "finished": "2099-12-01T03:00:10+00:00"}
    dataset = storage.read_record(storage.summary_url(storage.join(store, "runs", nights[0])))["dataset"]
    storage.write_record(storage.summary_url(exploration), summary | {"dataset": dataset})
    write_overview(store)
    page = read(store)
    report = Path(output, "report.html")
    link = quote(str(Path("..") / report.relative_to(Path(store).parent)))
    runs = [f"runs/{run}/report.html" for run in reversed(nights)]
    assert page.links[1] == "runs/2026-12-01T03-00-00-abcd/report.html"
    assert link in page.links and page.links[-3:] == runs
    verdicts = page.texts_of("td", "verdict")
    assert any("held" in words and "until spring. By ada." in words for words in verdicts)
    rolled_back = [words for words in verdicts if f"rolled back to {nights[0]}-cnn" in words]
    assert "false seas. By ada." in rolled_back[0]
    assert any("1 image labelled, all sure" in words for words in verdicts)
    assert "1 Dec 2099 03:00 UTC exploration" in " ".join(re.sub("<[^>]*>", " ", page.html).split())
    assert "1 answerBy grace." in verdicts
    note_classification(store, classified | {"output": output})
    assert read(store).html == page.html


def test_what_a_person_took_back_or_put_off_is_no_answer_of_a_review(store: str):
    first = Answer(
        "0" * 64, "drop", None, "a", None, None, "random", None, "ann", "2026-11-02T10:00:00+00:00"
    )
    at = "2026-11-02T10:01:00+00:00"
    others = [replace(first, sha256=str(number) * 64, at=at) for number in range(1, 4)]
    record_answers(store, [first, *others])
    record_answers(store, [replace(others[0], decision="undo"), replace(others[1], decision="later")])
    assert read_reviews(store) == [{"who": "ann", "answers": 3, "finished": at}]


def test_the_line_has_dates_and_changes_by_hand(store: str, nights: list[str]):
    summaries = overview.read_summaries(store)
    for day, summary in enumerate(summaries, start=1):
        summary["finished"] = f"2026-11-{day:02}T04:00:00+00:00"
    rollback = {"action": "rollback", "version": f"{nights[0]}-cnn", "reason": ""}
    line = champion_line(summaries, [rollback | {"at": "2026-11-05T04:00:00+00:00"}])
    assert [point["accuracy"] for point in line] == [0.90, 0.88, 0.93, 0.90]
    drawn = chart(line)
    assert [point["x"] for point in drawn["points"]] == ["0.0", "160.0", "320.0", "640.0"]
    assert [date[:10] for date in drawn["dates"]] == ["2026-11-01", "2026-11-03", "2026-11-05"]


@pytest.mark.parametrize("left", [None, b"{"], ids=["lost", "damaged"])
def test_the_page_is_written_where_the_champions_record_is_not_to_be_read(
    left: bytes | None, store: str, nights: list[str]
):
    url = storage.version_record_url(storage.version_url(store, f"{nights[2]}-cnn"))
    storage.remove(url) if left is None else storage.write_bytes(url, left)
    write_overview(store)
    assert "record is lost or damaged" in read(store).text
    assert [f"Version {nights[2]}-cnn: restore" in text for text in read(store).texts_of("p", "reason")] == [
        True
    ]


def test_of_runs_that_finish_at_once_none_is_lost(store: str, night: Callable[..., str]):
    def finish(number: int) -> None:
        night(number, 0.9, promoted=False)
        write_overview(store)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(finish, range(1, 17)))
    assert len(read(store).links) == 1 + 16


def test_a_writer_that_was_overtaken_writes_again(
    store: str, night: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    """The page it renders lacks a run that finishes, and writes its own page, before this one is written."""
    rendered, late = overview.overview_report, []

    def overtaken(*records: Any) -> str:
        page = rendered(*records)
        if not late:
            late.append(night(2, 0.9, promoted=False))
            write_overview(store)
        return page

    night(1, 0.9, promoted=False)
    monkeypatch.setattr(overview, "overview_report", overtaken)
    write_overview(store)
    assert f"runs/{late[0]}/report.html" in read(store).links


def test_no_name_can_become_markup_in_page_or_drawing(
    store: str, night: Callable[..., str], nights: list[str]
):
    night(5, 0.9, promoted=False, previous=f"\"'&{EVIL}", right=88)
    write_overview(store)
    page = read(store)
    assert EVIL not in page.html
    assert f"by &#34;&#39;&amp;{escape(EVIL)}</title>" in page.html
    assert not page.handlers
    assert (page.tags["script"], page.tags["img"]) == (1, 0)


def test_a_store_without_runs_has_a_page(store: str):
    write_overview(store)
    assert "No run of this store has finished yet." in read(store).html


def test_runs_of_the_version_before_are_on_the_page(store: str, nights: list[str]):
    write_overview(store)
    page = read(store).html
    make_older(Path(store))
    assert not any("schema_version" in path.read_text() for path in Path(store).rglob("summary.json"))
    write_overview(store)
    assert read(store).html == page


@pytest.mark.parametrize(
    ("summary", "complaint"),
    [({"models": {}}, "lacks dataset, champion"), ({"schema_version": 99}, "Received version 99")],
)
def test_a_run_whose_summary_says_too_little_or_is_newer_is_left_out_and_named(
    summary: dict, complaint: str, store: str, nights: list[str], caplog: pytest.LogCaptureFixture
):
    url = storage.summary_url(storage.join(store, "runs", nights[1]))
    storage.write_json(url, {"run": nights[1], **summary})
    write_overview(store)
    assert read(store).links[1:] == [f"runs/{run}/report.html" for run in (nights[2], nights[0])]
    assert nights[1] in caplog.text and complaint in caplog.text


def test_a_broken_run_or_storage_that_is_away_costs_the_page_alone(
    store: str, nights: list[str], monkeypatch: pytest.MonkeyPatch
):
    for number, content in enumerate((b"", b"[]", b"\xff", b'{"kind": "exploration"}')):
        run = storage.join(store, "runs", f"2026-12-0{number + 1}T03-00-00-abcd")
        storage.write_bytes(storage.summary_url(run), content)
    write_overview(store)
    assert len(read(store).links) == 1 + len(nights)

    def unreachable(*_: object) -> None:
        raise ConnectionError("connection refused")

    monkeypatch.setattr(storage, "write_bytes", unreachable)
    assert write_overview(store) == storage.overview_url(store)
