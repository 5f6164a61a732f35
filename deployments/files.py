"""Serves reports and the review page to who reads them in the Prefect UI.

`python -m deployments.files SOCKET` is given the number of a socket that listens.
"""

import base64
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
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
from tasks.registry import announce_labels
from tasks.review import QUESTIONS, Desk
from tasks.storage import REVIEW

REPORT, OVERVIEW = "report.html", "index.html"
HOME = f"/store/{OVERVIEW}"
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
    store, enough = settings.places["store"], settings.retrain_answers
    review = Review(
        Desk(store, settings.places["predictions"], QUESTIONS),
        settings.login[0],
        lambda: announce_labels(store, enough),
    )
    mounts = [Mount(f"/{REVIEW}", review.app())]
    for name, place in settings.served.items():
        Path(place).mkdir(parents=True, exist_ok=True)
        mounts.append(Mount(f"/{name}", Reports(directory=place)))
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[settings.host, *LOOPBACK_NAMES])
    home = Route("/", lambda _: RedirectResponse(HOME))
    app = Starlette(routes=[home, *mounts], middleware=[hosts])
    return Guarded(app, settings.login)


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
