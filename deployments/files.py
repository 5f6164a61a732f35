"""Serves reports to the browser of whoever reads them in the Prefect UI: `python -m deployments.files`."""

import base64
import os
import secrets
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.services import LOOPBACK_NAMES
from deployments.settings import Settings

REPORT, OVERVIEW = "report.html", "index.html"


def files_app(settings: Settings) -> ASGIApp:
    """The reports of the stack's local store and predictions, behind the password."""
    mounts = []
    for name, place in settings.served.items():
        Path(place).mkdir(parents=True, exist_ok=True)
        mounts.append(Mount(f"/{name}", Reports(directory=place)))
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[settings.host, *LOOPBACK_NAMES])
    app = Starlette(routes=mounts, middleware=[hosts])
    return Guarded(app, settings.login)


class Reports(StaticFiles):
    """Reports and the page over all runs, and nothing else that lies beside them."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        is_page = Path(path).name == REPORT or path == OVERVIEW
        return super().lookup_path(path) if is_page else ("", None)


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
    settings = Settings()
    uvicorn.run(files_app(settings), host=settings.host, port=settings.files_port, log_level="warning")
