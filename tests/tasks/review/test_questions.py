"""Which questions are found, in which order, and what an answer leaves in the store."""

import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.csv

from tasks import storage
from tasks.audit.wrong_labels import Suspect, as_csv, from_csv
from tasks.classification import rows_of_output
from tasks.classification.rows import to_table
from tasks.corrections import Answer, current_corrections, read_answers, record_answers
from tasks.review import KINDS, Desk, choose_questions, find_questions, gather_evidence
from tasks.review.choice import spread
from tasks.review.desk import Decision
from tasks.review.question import Picture, Question
from tests.doubts import BURST, RUN, TWIN, Doubts


def questions_of(doubts: Doubts, kind: str) -> list[Question]:
    found = find_questions(gather_evidence(doubts.store, doubts.output, 100))
    return [question for question in found if question.kind == kind]


def desk_of(doubts: Doubts, count: int = 100) -> Desk:
    return Desk(doubts.store, doubts.output, count)


def test_labels_that_look_wrong_are_asked_about_with_what_the_model_says(doubts: Doubts):
    asked = {question.pictures[0].path: question for question in questions_of(doubts, "wrong_label")}
    assert {path: question.suggested for path, question in asked.items()} == doubts.moved
    question = next(iter(asked.values()))
    assert question.labels[0] in question.evidence
    assert question.suggested in question.evidence
    assert question.pictures[0].sha256 == storage.sha256(
        (doubts.images / question.pictures[0].path).read_bytes()
    )


def test_one_picture_under_two_labels_is_one_question_that_shows_both(doubts: Doubts):
    [question] = [q for q in questions_of(doubts, "conflict") if any(TWIN in p.path for p in q.pictures)]
    assert set(question.labels) >= set(doubts.classes[:2])


def test_test_images_that_the_model_got_wrong_are_asked_about_the_surest_first(doubts: Doubts):
    asked = questions_of(doubts, "mistake")
    assert {question.pictures[0].path for question in asked} <= set(doubts.mistakes)
    assert asked[0].pictures[0].path == doubts.mistakes[0]
    assert spread(asked)[0] == asked[0]


def test_near_copies_are_asked_once_and_the_answer_counts_for_all(doubts: Doubts):
    few = find_questions(gather_evidence(doubts.store, doubts.output, 2))  # none are drawn at random
    [burst] = [question for question in few if any("burst" in picture.path for picture in question.pictures)]
    assert len(burst.pictures) == BURST
    desk = desk_of(doubts, 2)
    desk.ask()
    assert desk.record([Decision(burst.id, "label", doubts.classes[2])], "me") == {}
    corrections = current_corrections(read_answers(doubts.store))
    assert {sha256: answer.label for sha256, answer in corrections.items()} == dict.fromkeys(
        burst.contents, doubts.classes[2]
    )
    assert len(set(read_answers(doubts.store).entries)) == 1


def test_what_was_drawn_at_random_stays_a_random_sample(doubts: Doubts):
    few = gather_evidence(doubts.store, doubts.output, 20)
    drawn = [picture.path for q in find_questions(few) if q.kind == "random" for picture in q.pictures]
    assert len(drawn) == 4  # though some of them are among the least sure
    assert len(set(drawn)) == 4
    again = [p.path for q in find_questions(few) if q.kind == "random" for p in q.pictures]
    assert again == drawn
    contents = [content for question in find_questions(few) for content in question.contents]
    assert len(contents) == len(set(contents))


def test_all_kinds_have_their_turn_and_all_classes_theirs(doubts: Doubts):
    asked = desk_of(doubts, 20).ask()
    assert len(asked) == 20
    assert {question.kind for question in asked} == {kind.name for kind in KINDS}
    first = [question.about for question in asked if question.kind == "wrong_label"][: len(doubts.classes)]
    assert len(set(first)) > len(doubts.classes) // 2


def test_a_class_in_doubt_does_not_keep_the_others_waiting():
    def question(number: int, label: str, use: float) -> Question:
        picture = Picture(f"{number:064x}", "images", f"{number}.jpg", label, "train")
        return Question("wrong_label", (picture,), (), "", use, "run")

    many = [question(number, "a", 0.9 - 0.001 * number) for number in range(50)]
    few = [question(100 + number, "b", 0.5) for number in range(5)]
    first = Counter(question.about for question in spread([*many, *few])[:10])
    assert first["a"] > first["b"] > 1


def test_a_kind_whose_answers_changed_nothing_has_its_turn_less_often_and_still_has_it(doubts: Doubts):
    questions = find_questions(gather_evidence(doubts.store, doubts.output, 100))
    now = datetime.now(UTC).isoformat()

    def kinds_asked(label: str) -> Counter[str]:
        answers = [
            Answer(f"{number:064x}", "label", label, "sea", "sea", 0.9, "wrong_label", None, "me", now)
            for number in range(60)
        ]
        return Counter(question.kind for question in choose_questions(questions, answers, 20))

    assert kinds_asked("street") == Counter(q.kind for q in choose_questions(questions, [], 20))
    assert 0 < kinds_asked("sea")["wrong_label"] < kinds_asked("street")["wrong_label"] / 2


def test_no_question_is_asked_twice_unless_the_answer_was_later(doubts: Doubts):
    desk = desk_of(doubts)
    first, second, third, *_ = asked = desk.ask()
    desk.record([Decision(first.id, "label", doubts.classes[0]), Decision(second.id, "drop")], "me")
    desk.record([Decision(third.id, "later")], "me")
    again = [question.id for question in desk.ask()]
    assert sorted(again) == sorted(question.id for question in asked[2:])
    assert again[-1] == third.id
    desk.record([Decision(second.id, "undo")], "me")
    assert second.id in {question.id for question in desk.ask()}


def test_a_question_put_off_yesterday_is_a_new_one_today(doubts: Doubts):
    question = desk_of(doubts).ask()[0]
    yesterday = Answer(
        question.id, "later", None, None, None, None, question.kind, "", "me", "2026-01-01T10:00:00"
    )
    record_answers(doubts.store, [yesterday])
    questions = find_questions(gather_evidence(doubts.store, doubts.output, 100))
    answers = read_answers(doubts.store)
    assert choose_questions(questions, answers, 100, "2026-01-01")[-1].id == question.id
    assert choose_questions(questions, answers, 100, "2026-01-02")[0].id == question.id


def test_an_answer_says_what_was_shown_and_suggested_by_whom_and_for_which_question(doubts: Doubts):
    desk = desk_of(doubts)
    question = next(question for question in desk.ask() if question.kind == "wrong_label")
    desk.record([Decision(question.id, "label", question.suggested)], "ada")
    answer = current_corrections(read_answers(doubts.store))[question.id]
    assert (answer.shown, answer.suggested, answer.label) == (
        question.labels[0],
        question.suggested,
        question.suggested,
    )
    assert (answer.kind, answer.who, answer.run) == ("wrong_label", "ada", question.run)


def test_images_labelled_from_an_inbox_are_kept_and_labelled_ones_are_not(doubts: Doubts):
    desk = desk_of(doubts)
    unsure = next(q for q in desk.ask() if q.kind == "unsure" and len(q.pictures) == 1)
    wrong = next(question for question in desk.ask() if question.kind == "wrong_label")
    desk.record([Decision(q.id, "label", doubts.classes[0]) for q in (unsure, wrong)], "me")
    kept = storage.names(storage.kept_images_url(doubts.store))
    assert [Path(name).stem for name in kept] == [unsure.id]


def test_an_answer_to_no_question_or_with_no_class_is_refused_and_the_others_are_kept(doubts: Doubts):
    desk = desk_of(doubts)
    one, other, *_ = desk.ask()
    said = [
        Decision("0" * 64, "drop"),
        Decision(one.id, "label", "../../etc"),
        Decision(other.id, "label", doubts.classes[0]),
    ]
    assert set(desk.record(said, "me")) == {"0" * 64, one.id}
    assert set(current_corrections(read_answers(doubts.store))) == set(other.contents)


def test_questions_are_found_anew_once_another_run_has_finished(doubts: Doubts):
    desk = desk_of(doubts)
    assert any(question.run == RUN for question in desk.ask())
    finish_another_run(doubts)
    assert not any(question.kind == "wrong_label" for question in desk.ask())  # it checked no labels


def test_an_answer_is_taken_to_a_question_that_a_page_still_shows_though_another_run_has_finished(
    doubts: Doubts,
):
    desk = desk_of(doubts)
    shown = next(question for question in desk.ask() if question.kind == "wrong_label")
    finish_another_run(doubts)
    assert shown.id not in {question.id for question in desk.ask()}
    assert desk.record([Decision(shown.id, "label", shown.suggested)], "me") == {}
    assert desk.decisions()[shown.id] == {"decision": "label", "label": shown.suggested}


def finish_another_run(doubts: Doubts) -> None:
    runs = Path(doubts.store) / "runs"
    newer = runs / "2026-01-02T00-00-00-bbbb"
    newer.mkdir()
    shutil.copy(runs / RUN / "summary.json", newer)


def test_while_a_classification_is_at_work_nothing_is_drawn_at_random(doubts: Doubts):
    marker = Path(storage.success_url(doubts.output))
    hidden = marker.rename(marker.with_name("hidden"))
    try:
        assert not questions_of(doubts, "random")  # the parts that are there are no uniform sample
    finally:
        hidden.rename(marker)


def test_rows_in_csv_lead_to_the_same_questions(doubts: Doubts, tmp_path: Path):
    output = tmp_path / "csv"
    shutil.copytree(doubts.output, output, ignore=shutil.ignore_patterns("*.parquet"))
    [table] = rows_of_output(doubts.output)
    pyarrow.csv.write_csv(to_table(table.to_pylist(), "csv"), output / "part-00000.csv")
    few = [
        find_questions(gather_evidence(doubts.store, str(folder), 2)) for folder in (doubts.output, output)
    ]
    asked, asked_of_csv = ([(question.id, question.suggested) for question in questions] for questions in few)
    assert asked_of_csv == asked


def test_wrong_labels_are_read_as_they_were_written_whatever_they_are_called():
    names = ["=1+1", "'=x", "'", 'a,b\n"c"', "@", "''+x"]
    suspects = [Suspect(name, "train", name, name, 0.1, 0.9) for name in names]
    assert from_csv(as_csv(suspects)) == suspects
