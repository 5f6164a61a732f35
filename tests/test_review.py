"""The server of the review page: to whom it answers, what it takes, and what a kill costs."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from deployments.files import files_app
from deployments.review import TOKEN_HEADER, Review, app_alone
from deployments.settings import Settings
from tasks import storage
from tasks.classification import rows_of_output
from tasks.corrections import current_corrections, read_answers
from tasks.evaluation import measured_accuracies
from tasks.process import person
from tasks.review import Decision, Desk
from tests.doubts import Doubts
from tests.faults.processes import ENDED_SECONDS, until
from tests.review_server import TOKEN


@pytest.fixture
def visitor(doubts: Doubts) -> TestClient:
    """Somebody who reaches the page's port, but has not its token."""
    app = app_alone(Desk(doubts.store, doubts.output, 100), 80, TOKEN)
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


@pytest.fixture
def reader(visitor: TestClient) -> TestClient:
    """Somebody who opened the printed address."""
    visitor.get(f"/?token={TOKEN}")
    return visitor


def answer_to(reader: TestClient) -> tuple[dict[str, str], dict[str, object]]:
    """Headers and body of an answer as the page sends it."""
    body = reader.get("/questions").json()
    said = {"id": body["questions"][0]["id"], "decision": "drop", "label": None}
    headers = {"Origin": "http://127.0.0.1", TOKEN_HEADER: body["csrf"], "Content-Type": "application/json"}
    return headers, {"answers": [said]}


def test_only_who_has_the_address_sees_anything_and_a_cookie_keeps_it(visitor: TestClient):
    for path in (
        "/",
        "/questions",
        "/answered",
        "/review.js",
        "/pictures/large/" + "0" * 64,
        "/?token=guess",
    ):
        assert visitor.get(path).status_code == 401, path
    opened = visitor.get(f"/?token={TOKEN}")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert visitor.get("/questions").status_code == 200
    assert visitor.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_answers_that_another_page_has_a_browser_send_are_refused(reader: TestClient, doubts: Doubts):
    headers, body = answer_to(reader)
    wrong = [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": "null"},
        {"Origin": ""},
        {TOKEN_HEADER: "guess"},
        {TOKEN_HEADER: ""},
        {"Content-Type": "text/plain"},
    ]
    for changed in wrong:
        assert reader.post("/answers", json=body, headers=headers | changed).status_code == 403, changed
    assert reader.get("/answers").status_code == 405
    assert not read_answers(doubts.store)
    assert reader.post("/answers", json=body, headers=headers).json()["refused"] == {}
    assert len(read_answers(doubts.store)) > 0


def test_what_is_no_answer_is_refused_and_leaves_nothing(reader: TestClient, doubts: Doubts):
    headers, _ = answer_to(reader)
    bodies = [
        b"{",
        b"[]",
        b'{"answers": 3}',
        b'{"answers": ["x"]}',
        b'{"answers": [{"id": 3}]}',
        b'{"answers": [{"id": "x", "decision": "promote", "label": null}]}',
        b"[" * 500_000,
        b"1" * 2_000_000,
    ]
    for content in bodies:
        assert reader.post("/answers", content=content, headers=headers).status_code == 400, content[:20]
    unknown = {"answers": [{"id": "../../etc/passwd", "decision": "drop", "label": None}]}
    assert list(reader.post("/answers", json=unknown, headers=headers).json()["refused"]) == [
        "../../etc/passwd"
    ]
    assert not read_answers(doubts.store)


def test_answers_have_the_name_typed_and_an_undo_takes_back_no_answer_of_anybody_else(
    reader: TestClient, doubts: Doubts
):
    headers, body = answer_to(reader)
    [said] = body["answers"]

    def send(*answers: dict[str, object]) -> dict[str, str]:
        reply = reader.post(
            "/answers", json={"answers": [said | answer for answer in answers]}, headers=headers
        )
        return reply.raise_for_status().json()["refused"]

    undo = {"decision": "undo"}
    assert send({"who": " Ann "}) == {}
    assert "Only an own answer" in send(undo | {"who": "bob"})[said["id"]]
    assert current_corrections(read_answers(doubts.store))[said["id"]].who == "Ann"
    assert send({"decision": "later", "who": "bob"}, undo | {"who": "bob"}) == {}  # in one batch
    assert send(undo | {"who": "Ann"}, {"who": ""}) == {}
    assert current_corrections(read_answers(doubts.store))[said["id"]].who == person()
    for who in ("x" * 101, "a\nb", 3):
        assert (
            reader.post("/answers", json={"answers": [said | {"who": who}]}, headers=headers).status_code
            == 400
        )


def test_only_pictures_of_questions_are_served_and_none_of_their_own_bytes(
    reader: TestClient, doubts: Doubts
):
    questions = reader.get("/questions").json()["questions"]
    picture = reader.get(f"/pictures/large/{questions[0]['id']}")
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in picture.headers["content-security-policy"]
    for path in ("../../etc/passwd", "%2e%2e%2fstore%2findex.html", "0" * 64, doubts.mistakes[0]):
        assert reader.get(f"/pictures/large/{path}").status_code == 404, path
    assert reader.get(f"/pictures/huge/{questions[0]['id']}").status_code == 404


def test_a_file_that_changed_since_is_not_shown(reader: TestClient, doubts: Doubts):
    inbox = Path(doubts.output).parent / "inbox"
    questions = reader.get("/questions").json()["questions"]
    question = next(question for question in questions if question["split"] is None)
    [file] = inbox.rglob(question["pictures"][0]["name"])
    before = file.read_bytes()
    file.write_bytes(b"<script>alert(1)</script>")
    try:
        assert reader.get(f"/pictures/small/{question['id']}").status_code == 410
    finally:
        file.write_bytes(before)


def test_the_stack_serves_the_page_behind_its_password(doubts: Doubts, tmp_path: Path):
    settings = Settings(home=tmp_path, password="secret", store=doubts.store, predictions=doubts.output)
    browser = TestClient(files_app(settings), base_url="http://127.0.0.1")
    for path in ("/review/", "/review/questions", "/review/answers"):
        assert browser.get(path).status_code == 401, path
    assert "review.js" in browser.get("/review/", auth=settings.login).text
    assert browser.get("/review/questions", auth=settings.login).json()["questions"]
    headers = {"Origin": "http://evil.example", "Content-Type": "application/json"}
    sent = browser.post("/review/answers", json={"answers": []}, headers=headers, auth=settings.login)
    assert sent.status_code == 403


def test_the_stack_counts_answers_once_they_are_recorded(doubts: Doubts):
    counted: list[int] = []
    desk = Desk(doubts.store, None, 100)
    review = Review(desk, "me", lambda: counted.append(len(read_answers(doubts.store))))
    reader = TestClient(review.app(), base_url="http://127.0.0.1")
    headers, body = answer_to(reader)
    reader.post("/answers", json=body, headers=headers)
    assert counted == [len(read_answers(doubts.store))] != [0]


def test_what_people_say_of_the_random_sample_measures_the_model_that_labelled_it(doubts: Doubts):
    desk = Desk(doubts.store, doubts.output, 250)  # a fifth of them is all of the inbox, copies too
    first, *others = questions = [question for question in desk.ask() if question.kind == "random"]
    other_class = next(name for name in desk.classes if name != first.suggested)
    answers = [Decision(question.id, "label", question.suggested) for question in others]
    answers.append(Decision(first.id, "label", other_class))
    assert desk.record(answers, "me") == {}
    said = {answer.id: answer.label for answer in answers}
    pairs = [(said[question.id], picture.path) for question in questions for picture in question.pictures]
    labels = {
        row["path"]: row["label"] for table in rows_of_output(doubts.output) for row in table.to_pylist()
    }
    [record] = measured_accuracies(read_answers(doubts.store))
    assert record["model"] == storage.read_json(storage.summary_url(doubts.output))["model"]
    assert len(pairs) > len(questions)  # a copy measures by what the model took itself for
    assert record["images"] == len(pairs)
    assert record["accuracy"] == pytest.approx(np.mean([label == labels[path] for label, path in pairs]))


@pytest.mark.slow
def test_a_killed_server_loses_at_most_the_answer_in_flight(doubts: Doubts):
    """`darkroom review`, opened by the address it prints, killed while answers come, started again."""
    server, address = start_review(doubts)
    acknowledged: list[str] = []
    try:
        with httpx.Client(follow_redirects=True) as client:
            origin = address.partition("/?")[0]
            assert "review.js" in client.get(address).text
            body = client.get(f"{origin}/questions").json()
            headers = {"Origin": origin, TOKEN_HEADER: body["csrf"]}
            killer = threading.Thread(target=lambda: (until(lambda: len(acknowledged) > 1), server.kill()))
            killer.start()
            with suppress(httpx.TransportError):
                for question in body["questions"]:
                    said = {"id": question["id"], "decision": "drop", "label": None}
                    client.post(
                        f"{origin}/answers", json={"answers": [said]}, headers=headers
                    ).raise_for_status()
                    acknowledged.append(question["id"])
                    time.sleep(0.02)
        killer.join()
        assert 0 < len(acknowledged) < len(body["questions"])
    finally:
        server.kill()
        server.wait()
    server, address = start_review(doubts)
    try:
        with httpx.Client(follow_redirects=True) as client:
            client.get(address)
            answered = client.get(address.partition("/?")[0] + "/answered").json()["answered"]
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(ENDED_SECONDS) == 0
    assert set(acknowledged) <= set(answered)
    assert len(answered) <= len(acknowledged) + 1


def start_review(doubts: Doubts) -> tuple[subprocess.Popen, str]:
    """`darkroom review` in a process, and the address that it printed."""
    command = [
        sys.executable,
        "-m",
        "flows.cli",
        "review",
        "--store",
        doubts.store,
        "--output",
        doubts.output,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert "questions, about" in line, process.stderr.read()
    return process, line.partition(": ")[2].strip()
