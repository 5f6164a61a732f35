"""An S3 server in a process of its own, which fails or dawdles now and then: `python -m tests.s3_server`.

It prints its port, which is PORT of HOST (by default a free one of loopback). The environment variable FAULTS
says what every how many requests: "7:503 11:slow". While the file exists that AWAY names, its text says that
instead, such as "1:403" for a server that refuses everything.
"""

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

SLOW_SECONDS = 0.3


class Faulty:
    """A WSGI application in front of another, with the faults asked for.

    Conditional PUTs go through one by one: S3 looks and writes at once, moto in two steps.
    """

    def __init__(self, application: Callable, faults: str, away: Path):
        self._application, self._faults, self._away = application, faults, away
        self._requests = itertools.count(1)
        self._conditional = threading.Lock()

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        number = next(self._requests)
        for every, fault in self._faults_now().items():
            if number % every == 0 and fault == "slow":
                time.sleep(SLOW_SECONDS)
            elif number % every == 0:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start_response(f"{fault} Injected", [("Content-Length", "0")])
                return [b""]
        with self._conditional if "HTTP_IF_NONE_MATCH" in environ else nullcontext():
            return self._application(environ, start_response)

    def _faults_now(self) -> dict[int, str]:
        faults = self._away.read_text() if self._away.exists() else self._faults
        return {int(every): fault for every, fault in (pair.split(":") for pair in faults.split())}


def main() -> None:
    application = Faulty(
        DomainDispatcherApplication(create_backend_app),
        os.environ.get("FAULTS", ""),
        Path(os.environ["AWAY"]),
    )
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "0"))
    server = make_server(host, port, application, threaded=True)
    print(server.port, flush=True)
    sys.stdout.close()
    server.serve_forever()


if __name__ == "__main__":
    main()
