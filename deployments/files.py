"""Serves reports and the review page to who reads them in the Prefect UI.

`python -m deployments.files SOCKET` is given the number of a socket that listens.
"""

import asyncio
import base64
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.review import Review
from deployments.services import LOOPBACK_NAMES
from deployments.settings import Settings
from tasks.pages import SCRIPT_SOURCE
from tasks.registry import try_to_announce
from tasks.review import QUESTIONS, Desk
from tasks.storage import REVIEW

REPORT, OVERVIEW = "report.html", "index.html"
HOME = f"/store/{OVERVIEW}"
WATCH_SECONDS = 60  # between two looks for answers that came another way than by the page
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src {SCRIPT_SOURCE}",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def files_app(settings: Settings) -> ASGIApp:
    """The reports of the stack's local store and predictions, and the review page, behind the password."""
    store, announce = settings.places["store"], announcer(settings)
    review = Review(Desk(store, settings.places["predictions"], QUESTIONS), settings.login[0], announce)
    mounts = [Mount(f"/{REVIEW}", review.app())]
    for name, place in settings.served.items():
        Path(place).mkdir(parents=True, exist_ok=True)
        mounts.append(Mount(f"/{name}", Reports(directory=place)))
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[settings.host, *LOOPBACK_NAMES])
    home = Route("/", lambda _: RedirectResponse(HOME))
    app = Starlette(routes=[home, *mounts], middleware=[hosts], lifespan=watch(announce))
    return Guarded(app, settings.login)


def announcer(settings: Settings) -> Callable[[], None]:
    """A function that announces answers once enough are in, and never fails; one call at a time does."""
    store, enough, lock = settings.places["store"], settings.retrain_answers, Lock()

    def announce() -> None:
        if lock.acquire(blocking=False):  # a server that is away would keep a thread for each answer
            try:
                try_to_announce(store, enough)
            finally:
                lock.release()

    return announce


def watch(announce: Callable[[], None]) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Have `announce` called while an application runs.

    So answers are heeded that came from a file or another `darkroom review`, or while the server was away.
    """

    async def repeat() -> None:
        while True:
            await run_in_threadpool(announce)
            await asyncio.sleep(WATCH_SECONDS)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(repeat())
        yield
        watching.cancel()

    return lifespan


class Reports(StaticFiles):
    """Reports and the page over all runs, and nothing else that lies beside them."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        is_page = Path(path).name == REPORT or path == OVERVIEW
        return super().lookup_path(path) if is_page else ("", None)

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """The page, with HEADERS: whoever can write to the store may have put another in its place."""
        response = super().file_response(*arguments, **options)
        response.headers.update(HEADERS)
        return response


class Guarded:
    """An application behind HTTP basic authentication."""

    def __init__(self, app: ASGIApp, login: tuple[str, str]):
        self._app = app
        self._expected = f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("authorization", "") if scope["type"] == "http" else self._expected
        if secrets.compare_digest(given.encode(), self._expected.encode()):
            await self._app(scope, receive, send)
        else:
            ask = {"WWW-Authenticate": 'Basic realm="Darkroom"'}
            await PlainTextResponse("The password of the stack is needed.", 401, ask)(scope, receive, send)


if __name__ == "__main__":
    server = uvicorn.Server(uvicorn.Config(files_app(Settings()), log_level="warning"))
    server.run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
