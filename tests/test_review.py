"""The review page, as it is served: by keyboard in Chromium, and against those it is not meant for."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.testclient import TestClient

from deployments.files import files_app
from deployments.review import TOKEN_HEADER, Review, app_alone
from deployments.settings import Settings
from tasks import storage
from tasks.corrections import Answer, current_corrections, read_answers
from tasks.evaluation import measured_accuracies
from tasks.review import Decision, Desk
from tests.doubts import Doubts, doubtful_store
from tests.faults.processes import until
from tests.ports import free_ports

CHROMIUM = shutil.which("chromium")
TOKEN = "token-of-the-address"
RUN = "document.title = 'taken'"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Doubts:
    return doubtful_store(tmp_path_factory.mktemp("doubts"))


@pytest.fixture
def doubts(made: Doubts, tmp_path: Path) -> Doubts:
    store = tmp_path / "store"
    shutil.copytree(made.store, store)
    return replace(made, store=str(store))


def corrections_of(doubts: Doubts) -> dict[str, Answer]:
    return current_corrections(read_answers(doubts.store))


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
    desk = Desk(doubts.store, doubts.output, 100)
    first, *others = [question for question in desk.ask() if question.kind == "random"]
    other_class = next(name for name in desk.classes if name != first.suggested)
    answers = [Decision(question.id, "label", question.suggested) for question in others]
    assert desk.record([Decision(first.id, "label", other_class), *answers], "me") == {}
    [record] = measured_accuracies(read_answers(doubts.store))
    assert record["model"] == storage.read_json(storage.summary_url(doubts.output))["model"]
    assert record["images"] - round(record["images"] * record["accuracy"]) == len(first.contents)


# In a browser


class Server(threading.Thread):
    """An application on a port, until it is stopped."""

    def __init__(self, app: object, port: int):
        super().__init__(daemon=True)
        self._server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))

    def run(self) -> None:
        self._server.run()

    def stop(self) -> None:
        self._server.should_exit = True
        self.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("needs Chromium: install Debian's package `chromium`")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def address(doubts: Doubts) -> Iterator[str]:
    """What `darkroom review` would print."""
    [port] = free_ports(1)
    server = Server(app_alone(Desk(doubts.store, doubts.output, 100), port, TOKEN), port)
    server.start()
    yield f"http://127.0.0.1:{port}/?token={TOKEN}"
    server.stop()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        page = context.new_page()
        open_review(page, address)
        yield page


def open_review(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#classes button").first).to_be_visible()


def left(page: Page) -> int:
    return int(page.locator("#left").inner_text().split()[0])


def saved(page: Page) -> None:
    until(lambda: page.evaluate("csrf && !unsaved.length && !sending"))


def test_ten_are_answered_by_keyboard_and_all_are_saved(page: Page, doubts: Doubts):
    before = left(page)
    for _ in range(4):
        page.keyboard.press("2")
    for key in ("d", "l", "d"):
        page.keyboard.press(key)
    for letters in ("for", "STREET", "sea"):
        page.keyboard.type(letters)
        page.keyboard.press("Enter")
    saved(page)
    assert left(page) == before - 9  # `later` is asked again
    answers = list(corrections_of(doubts).values())
    assert {answer.label for answer in answers} == {"forest", "street", "sea", None}
    assert len({answer.at for answer in answers}) >= 3
    page.reload()
    expect(page.locator("#left")).to_have_text(f"{before - 9} left")


@pytest.mark.slow
def test_undo_takes_back_the_last_answer_and_shows_its_question(page: Page, doubts: Doubts):
    first = page.evaluate("current")
    page.keyboard.press("1")
    page.keyboard.press("3")
    page.keyboard.press("u")
    page.keyboard.press("u")
    saved(page)
    assert page.evaluate("current") == first
    assert not corrections_of(doubts)
    assert page.locator("#undo").is_disabled()


@pytest.mark.slow
def test_a_second_tab_skips_what_was_answered_in_the_first(page: Page, browser: Browser, doubts: Doubts):
    second = page.context.new_page()
    open_review(second, page.url)
    assert second.evaluate("current") == page.evaluate("current")
    page.keyboard.press("1")
    page.keyboard.press("1")
    saved(page)
    second.evaluate("poll()")
    expect(second.locator("#left")).to_have_text(page.locator("#left").inner_text())
    assert second.evaluate("current") == page.evaluate("current")
    second.keyboard.press("2")
    saved(second)
    assert second.evaluate("unsaved.length") == 0
    page.keyboard.press("ArrowRight")
    page.evaluate("poll()")
    expect(page.locator("#left")).to_have_text(second.locator("#left").inner_text())


@pytest.mark.slow
def test_a_failed_save_is_shown_and_made_up_for(page: Page, doubts: Doubts):
    page.route("**/answers", lambda route: route.abort())
    page.keyboard.press("1")
    page.keyboard.press("2")
    expect(page.get_by_role("alert")).to_contain_text("2 answers not saved yet")
    assert not corrections_of(doubts)
    page.unroute("**/answers")
    expect(page.locator("#saving")).to_have_text("", timeout=20_000)
    saved(page)
    assert {answer.label for answer in corrections_of(doubts).values()} == set(doubts.classes[:2])


@pytest.mark.slow
def test_an_answer_that_cannot_be_kept_is_told_and_asked_again(page: Page, doubts: Doubts):
    inbox = Path(doubts.output).parent / "inbox"
    hidden = inbox.rename(inbox.with_name("elsewhere"))
    try:
        page.keyboard.press("g")
        before = left(page)
        page.get_by_role("option", name="The model is only").first.click()
        page.keyboard.press("1")
        expect(page.get_by_role("alert")).to_contain_text("1 answer could not be saved")
        expect(page.locator("#left")).to_have_text(f"{before} left")
        assert page.locator("#undo").is_disabled()
    finally:
        hidden.rename(inbox)
    assert not corrections_of(doubts)


@pytest.mark.slow
def test_answers_not_saved_yet_outlive_a_reload(page: Page, doubts: Doubts):
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/answers", lambda route: route.abort())
    page.keyboard.press("d")
    expect(page.get_by_role("alert")).to_contain_text("1 answer not saved yet")
    page.unroute("**/answers")
    page.reload()
    saved(page)
    assert {answer.decision for answer in corrections_of(doubts).values()} == {"drop"}


@pytest.mark.slow
def test_many_are_answered_at_once_in_the_grid_by_mouse_and_by_keyboard(page: Page, doubts: Doubts):
    before = left(page)
    page.keyboard.press("g")
    cells = page.get_by_role("option")
    expect(cells).to_have_count(before)
    cells.nth(1).click()
    cells.nth(4).click(modifiers=["Shift"])
    expect(page.locator("[aria-selected=true]")).to_have_count(4)
    page.keyboard.press("3")
    expect(cells).to_have_count(before - 4)
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("[aria-selected=true]")).to_have_count(3)
    page.keyboard.press("d")
    saved(page)
    assert left(page) == before - 7
    decided = [(answer.decision, answer.label) for answer in corrections_of(doubts).values()]
    assert decided.count(("label", doubts.classes[2])) >= 4
    assert decided.count(("drop", None)) >= 3
    page.keyboard.press("u")
    expect(cells).to_have_count(before - 4)


@pytest.mark.slow
def test_another_page_of_this_machine_can_make_a_browser_answer_nothing(page: Page, doubts: Doubts):
    """Such a page is same-site, other ports notwithstanding: the cookie goes along."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    target, said = page.url.partition("#")[0], page.evaluate("current")
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        tab = page.context.new_page()
        tab.goto(f"http://127.0.0.1:{other.server_port}/")
        body = json.dumps({"answers": [{"id": said, "decision": "drop", "label": None}]})
        options = {"method": "POST", "mode": "no-cors", "credentials": "include", "body": body}
        tab.evaluate(f"fetch('{target}answers', {json.dumps(options)}).catch(() => {{}})")
        assert tab.evaluate(f"fetch('{target}questions').then(() => 'read', () => 'kept')") == "kept"
        form = f"<form method=post enctype=text/plain action='{target}answers'><input name='{body}'></form>"
        tab.evaluate("html => { document.body.innerHTML = html; }", form)
        with tab.expect_navigation():
            tab.evaluate("document.forms[0].submit()")
        assert "must come from the review page" in tab.content()
        other.shutdown()
    assert not read_answers(doubts.store)


@pytest.mark.slow
def test_hostile_names_are_shown_as_text_and_markup_would_not_run(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("hostile")
    names = {"buildings": f'<img src=x onerror="{RUN}">', "forest": "'];alert(1);//&lt;b&gt;{{7*7}}"}
    names = {name: evil.replace("/", "\u2215") for name, evil in names.items()}
    doubts = doubtful_store(folder, names=names)
    [port] = free_ports(1)
    server = Server(app_alone(Desk(doubts.store, doubts.output, 100), port, TOKEN), port)
    server.start()
    with browser.new_context() as context:
        page = context.new_page()
        open_review(page, f"http://127.0.0.1:{port}/?token={TOKEN}")
        for name in names.values():
            assert name in page.locator("#classes").inner_text()
        page.get_by_role("button", name=names["buildings"]).click()
        saved(page)
        page.keyboard.press("g")
        markup = f'<img src=x onerror="{RUN}"><iframe srcdoc="<script>parent.{RUN}</script>"></iframe>'
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", markup)
        page.wait_for_timeout(200)
        assert page.title() != "taken"
    server.stop()
    assert {answer.label for answer in corrections_of(doubts).values()} == {names["buildings"]}


@pytest.mark.slow
def test_the_address_of_a_picture_leads_to_its_question_though_it_is_not_asked_now(
    browser: Browser, doubts: Doubts
):
    [port] = free_ports(1)
    server = Server(app_alone(Desk(doubts.store, doubts.output, 3), port, TOKEN), port)
    server.start()
    path = list(doubts.moved)[-1]
    sha256 = storage.sha256((doubts.images / path).read_bytes())
    with browser.new_context() as context:
        page = context.new_page()
        open_review(page, f"http://127.0.0.1:{port}/?token={TOKEN}")
        assert left(page) == 3
        page.goto(f"http://127.0.0.1:{port}/#{sha256}")
        expect(page.get_by_text(Path(path).name)).to_be_visible()
        page.keyboard.press("1")
        saved(page)
    server.stop()
    assert corrections_of(doubts)[sha256].label == doubts.classes[0]


@pytest.mark.slow
def test_the_page_fits_a_phone_and_says_everything_to_a_screen_reader(browser: Browser, address: str):
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        open_review(page, address)
        for view in ("one", "many"):
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, view
            page.locator("#view").click()
        for name in ("Drop", "Later", "Undo"):
            assert page.get_by_role("button", name=name).count() == 1
        assert page.get_by_role("progressbar", name="Questions answered").count() == 1
        assert page.get_by_role("searchbox", name="Find a class").count() <= 1
        assert page.locator("#one img").first.get_attribute("alt")
        page.get_by_role("button", name="Later").click()
        expect(page.locator("#says")).to_contain_text("Later.")


@pytest.mark.slow
def test_two_hundred_answers_in_a_row_take_no_wait(browser: Browser, tmp_path: Path):
    """From the key to the next picture on the screen, by somebody who thinks for 50 ms."""
    doubts = doubtful_store(tmp_path, images_per_class=50, moved_each=36)
    [port] = free_ports(1)
    server = Server(app_alone(Desk(doubts.store, doubts.output, 250), port, TOKEN), port)
    server.start()
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        page = context.new_page()
        open_review(page, f"http://127.0.0.1:{port}/?token={TOKEN}")
        page.wait_for_timeout(1000)
        waits = page.evaluate(ANSWER_MANY, 200)
        saved(page)
    server.stop()
    waits.sort()
    print(f"{waits[100]:.0f} ms in the middle, {waits[195]:.0f} for 98 %, {waits[-1]:.0f} at most")
    assert len(corrections_of(doubts)) >= 200
    assert waits[195] < 100


ANSWER_MANY = """async (count) => {
    const waits = [];
    for (let answered = 0; answered < count; answered++) {
        const before = current, start = performance.now();
        const key = String(1 + answered % 6);
        document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
        while (current === before) await new Promise(requestAnimationFrame);
        for (const shown of document.querySelectorAll("#one .shot img"))
            while (!shown.complete) await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        waits.push(performance.now() - start);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return waits;
}"""


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
            killer = threading.Timer(0.3, server.kill)
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
        assert server.wait(30) == 0
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
