"""A Prefect server that answers by its own names only: `python -m deployments.server HOST SOCKET`.

SOCKET is the number of a socket that listens. It is what `prefect server start` runs, and refuses requests
that were sent to another name: a web page whose name was pointed at this machine (DNS rebinding) would else
speak to it with the reader's browser.
"""

import gc
import socket
import sys

from tasks.process import uncollected

# No page of another user of this machine shows the UI within itself, for a reader to click on.
HEADERS = {"Content-Security-Policy": "frame-ancestors 'none'"}


def serve(host: str, listener: socket.socket) -> None:
    with uncollected():
        import uvicorn
        from prefect.server.api.server import create_app
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        from deployments.headers import WithHeaders
        from deployments.services import LOOPBACK_NAMES

        guarded = TrustedHostMiddleware(create_app(final=True), allowed_hosts=[host, *LOOPBACK_NAMES])
        app = WithHeaders(guarded, HEADERS)
        gc.freeze()  # what is imported stays
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[listener])


if __name__ == "__main__":
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
