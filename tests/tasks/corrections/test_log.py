"""What people answer is kept: by ten at once, through kills, for a million, and in order."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tasks import storage
from tasks.corrections import (
    Answer,
    compact_answers,
    contents_answered,
    current_corrections,
    log,
    read_answers,
    record_answers,
    undo_last,
)
from tasks.errors import InputError, JobError


def content(number: int) -> str:
    return f"{number:064x}"


def answer(number: int, decision: str = "label", label: str | None = "dog", who: str = "ann") -> Answer:
    return Answer(
        sha256=content(number),
        decision=decision,
        label=label if decision == "label" else None,
        shown="cat",
        suggested="dog",
        confidence=0.75,
        kind="wrong_label",
        run="run",
        who=who,
        at="2026-01-02T03:04:05+00:00",
    )


def read_by_another_process(store: str) -> list[Answer]:
    """What a process reads that knows nothing of the store yet."""
    return list(log._Log(storage.absolute(store)).read())


@pytest.mark.parametrize(
    ("kind", "rounds"), [("store", 20), pytest.param("bucket", 4, marks=pytest.mark.slow)]
)
def test_ten_people_at_once_lose_nothing(kind: str, rounds: int, request: pytest.FixtureRequest):
    store, start = storage.join(request.getfixturevalue(kind), "answered"), threading.Barrier(11)

    def person(number: int) -> None:
        start.wait()
        for n in range(rounds):
            record_answers(store, [answer(100 * number + n, who=str(number)), answer(5000 + n)])

    def compaction() -> None:
        start.wait()
        for _ in range(2):
            compact_answers(store, least_entries=1)

    with ThreadPoolExecutor(11) as pool:
        list(pool.map(lambda work: work(), [*(lambda n=n: person(n) for n in range(10)), compaction]))
    answers = read_by_another_process(store)
    assert len(answers) == 10 * rounds * 2
    assert {(a.who, a.sha256) for a in answers[::2]} == {
        (str(number), content(100 * number + n)) for number in range(10) for n in range(rounds)
    }
    assert sorted(map(str, read_answers(store))) == sorted(map(str, answers))


def test_the_last_answer_on_a_content_wins_and_undo_takes_it_back(store: str):
    record_answers(store, [answer(1), answer(2)])
    record_answers(store, [answer(1, "drop")])
    assert current_corrections(read_answers(store))[content(1)].decision == "drop"
    record_answers(store, [answer(1, "undo")])
    assert current_corrections(read_answers(store))[content(1)].label == "dog"
    record_answers(store, [answer(1, "undo"), answer(3, "undo")])
    assert list(current_corrections(read_answers(store))) == [content(2)]
    assert contents_answered(read_answers(store)) == {content(2)}


def test_what_is_left_for_later_is_asked_again_and_corrects_nothing(store: str):
    record_answers(store, [answer(1, "later"), answer(2), answer(2, "later")])
    assert list(current_corrections(read_answers(store))) == [content(2)]
    assert contents_answered(read_answers(store)) == set()
    record_answers(store, [answer(2, "undo"), answer(1)])
    assert contents_answered(read_answers(store)) == {content(1), content(2)}


def test_an_undo_follows_what_it_takes_back_also_where_clocks_differ(store: str):
    record_answers(store, [answer(1)])
    ahead = f"{storage.answers_url(store)}/20990101T000000.000000Z-00000000.json"
    entry = storage.join(storage.answers_url(store), storage.names(storage.answers_url(store))[0])
    storage.write_bytes(ahead, storage.read_bytes(entry).replace(b"dog", b"cow"))
    assert current_corrections(read_answers(store))[content(1)].label == "cow"
    record_answers(store, [answer(1, "undo")])
    assert current_corrections(read_by_another_process(store))[content(1)].label == "dog"


@pytest.mark.parametrize("steps", range(9))
def test_a_compaction_killed_anywhere_loses_and_repeats_nothing(
    store: str, steps: int, monkeypatch: pytest.MonkeyPatch
):
    record_answers(store, [answer(0)])
    compact_answers(store, least_entries=1)
    for number in range(1, 5):
        record_answers(store, [answer(number), answer(10 + number)])
    answers = read_by_another_process(store)
    left = [steps]

    class Killed(BaseException):
        pass

    def unless_killed(function):
        def call(*arguments):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_table", unless_killed(storage.write_table))
        patch.setattr(storage, "remove", unless_killed(storage.remove))
        try:
            compact_answers(store, least_entries=1)
        except Killed:
            assert read_by_another_process(store) == answers
    assert list(read_answers(store)) == answers
    compact_answers(store, least_entries=1)
    assert read_by_another_process(store) == answers


def test_only_what_is_new_is_read_again(store: str, monkeypatch: pytest.MonkeyPatch):
    for number in range(3):
        record_answers(store, [answer(number)])
    before = read_answers(store)
    reads = []
    read_entry = log.read_entry
    monkeypatch.setattr(log, "read_entry", lambda *names: reads.append(names) or read_entry(*names))
    assert read_answers(store) is before
    record_answers(store, [answer(3)])
    assert len(read_answers(store)) == 4
    assert len(reads) == 1


@pytest.mark.slow
def test_a_million_answers_are_read_in_seconds(store: str):
    for hundred_thousand in range(10):
        record_answers(store, [answer(100_000 * hundred_thousand + n) for n in range(100_000)])
    start = time.process_time()
    corrections = current_corrections(read_by_another_process(store))
    seconds = time.process_time() - start
    print(f"{seconds:.1f} s")
    assert len(corrections) == 1_000_000
    assert seconds < 30


@pytest.mark.parametrize(
    "bad",
    [
        replace(answer(1), decision="perhaps"),
        replace(answer(1), sha256="../../models"),
        replace(answer(1), label="../../models"),
        replace(answer(1), label=None),
        replace(answer(1), decision="drop"),
    ],
)
def test_an_answer_that_cannot_be_understood_is_refused_and_none_beside_it_recorded(store: str, bad: Answer):
    with pytest.raises(InputError, match="Received"):
        record_answers(store, [answer(2), bad])
    assert list(read_answers(store)) == []


def test_a_damaged_entry_is_told_and_not_passed_over(store: str):
    record_answers(store, [answer(1)])
    record_answers(store, [answer(2)])
    names = storage.names(storage.answers_url(store))
    storage.write_bytes(storage.join(storage.answers_url(store), names[0]), b'{"answers": [{"sha256"')
    with pytest.raises(JobError, match=names[0]):
        read_answers(store)


def test_undo_takes_back_ones_own_last_answer_and_never_anothers(store: str):
    record_answers(store, [answer(1, label="dog", who="ann"), answer(2, who="ann")])
    record_answers(store, [answer(1, label="cow", who="bob")])
    assert [taken.sha256 for taken in undo_last(store, "ann")] == [content(1), content(2)]
    assert {c: a.label for c, a in current_corrections(read_answers(store)).items()} == {content(1): "cow"}
    with pytest.raises(InputError, match="but of bob: `--who` names whose"):
        undo_last(store, "ann", content(1))
    with pytest.raises(InputError, match="an answer of ann to take back"):
        undo_last(store, "ann")
    record_answers(store, [answer(1, "undo", who="ann")])  # as a page of an earlier hour may send it
    assert list(current_corrections(read_answers(store))) == [content(1)]
    undo_last(store, "ann", whose="bob")
    assert not current_corrections(read_by_another_process(store))
    assert (read_answers(store)[-1].who, read_answers(store)[-1].by) == ("bob", "ann")


def test_an_import_is_taken_back_by_who_imported_it_whoever_had_decided(store: str):
    record_answers(store, [replace(answer(1, who="eva"), by="bob"), answer(2, who="bob")])
    record_answers(store, [answer(1, label="cow", who="eva")])
    compact_answers(store, least_entries=1)
    assert len(undo_last(store, "bob")) == 2
    assert [a.label for a in current_corrections(read_by_another_process(store)).values()] == ["cow"]
