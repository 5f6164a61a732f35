"""An S3 server in a process of its own, which fails or dawdles now and then: `python -m tests.s3_server`.

It prints its port. The environment variable FAULTS says what every how many requests: "7:503 11:slow". While
the file exists that AWAY names, it refuses everything.
"""

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

SLOW_SECONDS = 0.3


class Faulty:
    """A WSGI application in front of another, with the faults asked for.

    Conditional PUTs go through one by one: S3 looks and writes at once, moto in two steps.
    """

    def __init__(self, application: Callable, faults: dict[int, str], away: str):
        self._application, self._faults, self._away = application, faults, away
        self._requests = itertools.count(1)
        self._conditional = threading.Lock()

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        number = next(self._requests)
        if os.path.exists(self._away):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("403 Away", [("Content-Length", "0")])
            return [b""]
        for every, fault in self._faults.items():
            if number % every == 0 and fault == "slow":
                time.sleep(SLOW_SECONDS)
            elif number % every == 0:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start_response(f"{fault} Injected", [("Content-Length", "0")])
                return [b""]
        with self._conditional if "HTTP_IF_NONE_MATCH" in environ else nullcontext():
            return self._application(environ, start_response)


def main() -> None:
    faults = dict(pair.split(":") for pair in os.environ.get("FAULTS", "").split())
    application = Faulty(
        DomainDispatcherApplication(create_backend_app),
        {int(every): fault for every, fault in faults.items()},
        os.environ["AWAY"],
    )
    server = make_server("127.0.0.1", 0, application, threaded=True)
    print(server.port, flush=True)
    sys.stdout.close()
    server.serve_forever()


if __name__ == "__main__":
    main()
