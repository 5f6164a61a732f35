"""The process that `apart` starts: decodes one file after the other, within bounds of time and memory."""

import json
import os
import resource
import signal
import sys
import warnings
from typing import IO

from tasks.pictures.apart import MOST_MEMORY, MOST_SECONDS, READY, REQUEST
from tasks.pictures.fit import FITS
from tasks.pictures.outcome import ImageError


def main() -> None:
    from tasks.pictures.decode import finish, open_picture

    requests, answers = sys.stdin.buffer, own_output()
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is the business of the process that started this one
    limit(resource.RLIMIT_DATA, MOST_MEMORY)
    limit(resource.RLIMIT_CORE, 0)
    warnings.simplefilter("ignore")
    answers.write(READY)
    answers.flush()
    while head := requests.read(REQUEST.size):
        length, size_px, fit = REQUEST.unpack(head)
        data = requests.read(length)
        start_clock()
        try:
            image = finish(open_picture(data), size_px, FITS[fit])
            answer: dict[str, int | str] = {"width": image.width, "height": image.height}
            pixels = image.pixels.tobytes()
        except Exception as error:  # whatever it is, the file is to blame
            answer, pixels = describe(error), b""
        stop_clock()
        answers.write(json.dumps(answer).encode() + b"\n" + pixels)
        answers.flush()


def limit(kind: int, most: int) -> None:
    """Lower a limit of this process; where it is lower already, it stays."""
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def own_output() -> IO[bytes]:
    """Standard output, which nothing else writes to: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def start_clock() -> None:
    """After these times the system ends this process, even within a decoder that never returns."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF, signal.SIGALRM})
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 10 * MOST_SECONDS)


def stop_clock() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def describe(error: Exception) -> dict[str, int | str]:
    if isinstance(error, ImageError):
        return {"status": error.status, "reason": error.reason}
    if isinstance(error, MemoryError) or "nsufficient memory" in str(error):
        return {"status": "corrupt", "reason": f"decoding needs over {MOST_MEMORY / 2**30:g} GB of memory"}
    return {"status": "corrupt", "reason": f"does not decode: {type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
