"""The review page: questions to a person, one picture at a time or many, and the answers into the store."""

import json
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.headers import WithHeaders
from deployments.services import LOOPBACK, LOOPBACK_NAMES
from tasks import storage
from tasks.errors import InputError
from tasks.pages import photo_in_proportion, review_files
from tasks.pictures import ImageError, decode_image, open_picture
from tasks.process import person
from tasks.review import KINDS, Desk, Question, decision_of

SIDES_PX = {"large": 1280, "small": 320}
PICTURES_KEPT = 256  # in memory, encoded
TOKEN_HEADER, TOKEN_BYTES = "x-darkroom-token", 32
MOST_BYTES = 1_000_000  # of one request
FILES = {"": "text/html", "review.js": "text/javascript", "review.css": "text/css"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self'; style-src 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
WORDS = {kind.name: kind for kind in KINDS}


class Review:
    """The pages' side of a desk: what they load, the pictures, and where they send answers."""

    def __init__(self, desk: Desk, who: str, recorded: Callable[[], object] = lambda: None):
        """who: whose answers are where the page does not say. recorded: called after some were recorded."""
        self._desk, self._who, self._recorded = desk, who, recorded
        self._csrf = secrets.token_urlsafe(TOKEN_BYTES)
        self._jpeg = lru_cache(PICTURES_KEPT)(self._encode)

    def app(self) -> ASGIApp:
        """Serves the page at its root. Behind it stands no password: see `deployments.files` and `Ticket`."""
        pages = [Route(f"/{name}", self.page, name=name or "page") for name in FILES]
        routes = [
            *pages,
            Route("/questions", self.questions),
            Route("/questions/{id}", self.question),
            Route("/answered", self.answered),
            Route("/answers", self.answers, methods=["POST"]),
            Route("/pictures/{size}/{sha256}", self.picture),
        ]
        return WithHeaders(Starlette(routes=routes), HEADERS)

    def page(self, request: Request) -> Response:
        name = request.url.path.rsplit("/", 1)[-1]
        return Response(review_files()[name], media_type=FILES[name], headers={"Cache-Control": "no-cache"})

    def questions(self, request: Request) -> Response:  # noqa: ARG002
        asked = [as_json(question) for question in self._desk.ask()]
        body = {"csrf": self._csrf, "who": self._who, "classes": self._desk.classes, "questions": asked}
        return JSONResponse(body | {"answered": self._desk.decisions()})

    def question(self, request: Request) -> Response:
        question = self._desk.question(request.path_params["id"])
        return JSONResponse(as_json(question)) if question else PlainTextResponse("No such question.", 404)

    def answered(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse({"answered": self._desk.decisions()})

    async def answers(self, request: Request) -> Response:
        """Record answers, if a page of ours sent them: whatever else a browser is made to send is refused."""
        if not self._is_ours(request):
            return PlainTextResponse("Answers must come from the review page itself.", 403)
        try:
            body = await limited_json(request)
            said = [decision_of(record) for record in body["answers"]]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return PlainTextResponse(f"Answers cannot be understood: {error}", 400)
        refused = await run_in_threadpool(self._desk.record, said, self._who)
        answered = await run_in_threadpool(self._desk.decisions)
        told = BackgroundTask(self._recorded)
        return JSONResponse({"refused": refused, "answered": answered}, background=told)

    def _is_ours(self, request: Request) -> bool:
        """Whether a request comes from a page of this very address, which alone knows the token."""
        origin = urlsplit(request.headers.get("origin", "")).netloc
        token = request.headers.get(TOKEN_HEADER, "")
        is_json = request.headers.get("content-type", "").partition(";")[0] == "application/json"
        is_same = bool(origin) and origin == request.headers.get("host")
        return is_json and is_same and secrets.compare_digest(token.encode(), self._csrf.encode())

    def picture(self, request: Request) -> Response:
        """A picture of a question, by the hash of its bytes, encoded anew: no byte of the file itself."""
        try:
            data = self._jpeg(request.path_params["sha256"], SIDES_PX[request.path_params["size"]])
        except KeyError:
            return PlainTextResponse("No question shows this picture.", 404)
        except (ImageError, OSError, InputError):
            return PlainTextResponse("The file cannot be shown any more.", 410)
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    def _encode(self, sha256: str, side: int) -> bytes:
        content = self._desk.content(sha256)
        file = open_picture(content)
        image = decode_image(content, min(side, max(file.width, file.height)))
        return photo_in_proportion(image.pixels, image.width, image.height)


def as_json(question: Question) -> dict[str, object]:
    """A question as the page reads it. Of a picture only its name: where it lies is the server's matter."""
    kind = WORDS[question.kind]
    return {
        "id": question.id,
        "words": kind.words,
        "why": kind.why,
        "evidence": question.evidence,
        "labels": question.labels,
        "split": question.pictures[0].split,
        "beliefs": question.beliefs,
        "pictures": [
            {"id": picture.sha256, "label": picture.label, "name": storage.name_of(picture.path)}
            for picture in question.pictures
        ],
    }


async def limited_json(request: Request) -> dict:
    """The JSON of a request. Raises InputError for one of more than MOST_BYTES."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST_BYTES:
            raise InputError(f"A request may have {MOST_BYTES:,} bytes. Received more.")
    return json.loads(data)


class Ticket:
    """An application that answers who came by an address with the token, which a cookie then holds."""

    def __init__(self, app: ASGIApp, token: str, cookie: str):
        self._app, self._token, self._cookie = app, token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = Request(scope)
        if self._is_token(request.query_params.get("token")):
            response: Response = RedirectResponse("/", 303)
            response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        elif self._is_token(request.cookies.get(self._cookie)):
            return await self._app(scope, receive, send)
        else:
            response = PlainTextResponse("Open the address that `darkroom review` printed.", 401)
        response.headers.update(HEADERS)
        return await response(scope, receive, send)

    def _is_token(self, given: str | None) -> bool:
        return secrets.compare_digest((given or "").encode(), self._token.encode())


def app_alone(desk: Desk, port: int, token: str) -> ASGIApp:
    """The review page for who has the token. Cookies heed no ports: this one has the port in its name."""
    app = Ticket(Review(desk, person()).app(), token, f"darkroom-review-{port}")
    return TrustedHostMiddleware(app, allowed_hosts=list(LOOPBACK_NAMES))


def serve(desk: Desk, tell: Callable[[str], None]) -> None:
    """Serve the review page on loopback until it is interrupted; `tell` is told its address."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port, token = listener.getsockname()[1], secrets.token_urlsafe(TOKEN_BYTES)
        listener.listen()
        tell(f"http://{LOOPBACK}:{port}/?token={token}")
        app = app_alone(desk, port, token)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
