"""What is done only to show something to somebody: it never fails the work that it tells of."""

import logging
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger("darkroom")

T = TypeVar("T")


def try_to_show(show: Callable[[], T], what: str) -> T | None:
    """What `show` returns; None where it fails, whatever with, and then one line says that `what` is missing.

    Storage, a Prefect server and a tracking server may all be away while the work itself is sound.
    """
    try:
        return show()
    except Exception as error:
        log.warning("Not shown: %s (%s)", what, " ".join(str(error).split())[:200] or type(error).__name__)
        return None
