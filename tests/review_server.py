"""The server of a review page, as `darkroom review` starts it, in a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from deployments.review import app_alone
from tasks.review import Desk
from tests.doubts import Doubts
from tests.faults.processes import until
from tests.ports import free_ports

TOKEN = "token-of-the-address"


@contextmanager
def review_page(doubts: Doubts, questions: int = 100) -> Iterator[str]:
    """The address that `darkroom review` would print, served until the block ends."""
    [port] = free_ports(1)
    app = app_alone(Desk(doubts.store, doubts.output, questions), port, TOKEN)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{port}/?token={TOKEN}"
    server.should_exit = True
    thread.join()
